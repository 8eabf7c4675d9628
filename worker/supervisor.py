"""The supervisor: has one order trained by the trainer process, and kills what does not end.

It owns every deadline: the lease, a hang, a stop that is not obeyed, the trial's own time limit.
Whatever happens to the trainer, the outcome is a result or, where the lease is lost, nothing.
"""

import logging
import os
from collections.abc import Callable, Mapping
from threading import Event as Flag
from time import monotonic

from core.protocol.contracts import EpochReport, TrainOrder, TrialResult
from worker.lease import HeldLease
from worker.messages import EpochEnded, Ready, Stop
from worker.monitor import Ending, TrainingMonitor
from worker.process import Died, Notice, Trainer, TrainerDied
from worker.reports import ControllerClient
from worker.settings import Settings

logger = logging.getLogger(__name__)

_TICK = 1.0  # seconds between two looks at the deadlines
_FAREWELL = 5.0  # seconds for a trainer to end by itself when it is replaced
#: For glibc's malloc: memory is kept for the next step instead of being returned after each one,
#: which brings 6 % of a step (`docs/results/speed.md`). What is set for the worker has priority.
_MALLOC = {"MALLOC_MMAP_THRESHOLD_": str(32 << 20), "MALLOC_TRIM_THRESHOLD_": str(512 << 20)}
_SECRETS = frozenset({"NETMORPH_WORKER_KEY", "NETMORPH_BROKER_URL", "NETMORPH_ADMIN_KEY"})


class TrainerSupervisor:
    """Owns the trainer process, which stays warm between trials."""

    def __init__(
        self,
        settings: Settings,
        controller: ControllerClient,
        *,
        stopping: Flag,  # set when the worker shuts down
        pulse: Callable[[], None],  # called while something goes on
        gpu: Mapping[str, str] | None = None,  # the environment that selects it
    ) -> None:
        self.device = "unknown"  # what the trainer says it is
        self.deaths = 0  # of trainers in a row, without a trial that ended between them
        self._settings = settings
        self._controller = controller
        self._stopping = stopping
        self._pulse = pulse
        self._environment = _environment(settings, gpu or {})
        self._trainer: Trainer | None = None

    def prepare(self) -> Trainer:
        """A trainer that waits for an order, started where there is none.

        Raises:
            TrainerDied: none can be started here, so nothing should be leased.
        """
        trainer = self._trainer
        if trainer is not None and trainer.alive():
            if trainer.trials < self._settings.trials_per_trainer:
                return trainer
            logger.info("the trainer is replaced after %d trials", trainer.trials)
        self.close()
        self._trainer = Trainer(self._settings.trainer_command, self._environment)
        try:
            self._wait_until_ready(self._trainer)
        except TrainerDied:
            self.deaths += 1
            raise
        return self._trainer

    def train(self, trainer: Trainer, order: TrainOrder, asked_at: float) -> TrialResult | None:
        """Have the order trained; how it ended, or None where nothing is to be reported.

        The trainer is the one that `prepare` gave; `asked_at` is the monotonic time before the
        request that the order answered.
        """
        trainer.forget_notices()
        watch = TrainingMonitor(
            order=order,
            hang_seconds=self._settings.hang_seconds,
            stop_seconds=self._settings.stop_seconds,
            started=monotonic(),
        )
        with HeldLease(
            self._controller,
            order,
            asked_at=asked_at,
            heartbeat_seconds=self._settings.heartbeat_seconds,
            tell=trainer.inbox.put,
        ) as lease:
            trainer.order(order)
            ending = self._follow(trainer, watch, lease)
            exit_summary = self._settle(trainer, watch, ending)
            if ending is not Ending.ENDED:
                lease.give_up()
        return watch.result(ending, monotonic(), exit_summary)

    def close(self) -> None:
        """End the trainer, if there is one."""
        if self._trainer is not None:
            self._trainer.retire(_FAREWELL)
            self._trainer = None

    def _wait_until_ready(self, trainer: Trainer) -> None:
        started = monotonic()
        while not self._stopping.is_set():
            self._pulse()
            match trainer.next_notice(_TICK):
                case Ready(device=device):
                    self.device = device[:128]
                    logger.info("trainer %d ready on %s", trainer.pid, self.device)
                    return
                case Died():
                    break
            if monotonic() > started + self._settings.hang_seconds:
                break
        self._kill()
        after = monotonic() - started
        raise TrainerDied(f"no trainer after {after:.0f} s: {trainer.exit_summary()}")

    def _follow(self, trainer: Trainer, watch: TrainingMonitor, lease: HeldLease) -> Ending:
        """Pass on what the trainer and the controller say, until the training is at its end."""
        tick = min(_TICK, watch.order.lease_seconds / 10)
        told = False
        while not self._stopping.is_set():
            self._pulse()
            notice = trainer.next_notice(tick)
            now = monotonic()
            if notice is not None:
                watch.see(notice, now)
                _pass_on(notice, watch, lease)
            watch.overdue(now)
            if watch.wanted is not None and not told:
                trainer.send(Stop(reason=watch.wanted.reason))
                told = True
            ending = watch.ending(now, trusted=lease.trusted())
            if ending is not None:
                return ending
        return Ending.SHUT_DOWN

    def _settle(self, trainer: Trainer, watch: TrainingMonitor, ending: Ending) -> str:
        """Kill a trainer that does not wait for the next order; its last words."""
        if watch.ended is not None:
            self.deaths = 0
            return ""
        logger.warning("the trainer is killed: %s", ending.value)
        self._kill()
        if ending is Ending.DIED:
            self.deaths += 1
            watch.out_of_memory = trainer.out_of_memory()
        return trainer.exit_summary()

    def _kill(self) -> None:
        if self._trainer is not None:
            self._trainer.kill()
            self._trainer = None


def _pass_on(notice: Notice, watch: TrainingMonitor, lease: HeldLease) -> None:
    lease.step = watch.step
    if isinstance(notice, EpochEnded):
        fields = notice.model_dump(exclude={"event"})
        order = watch.order
        lease.report(EpochReport(attempt=order.attempt, token=order.token, **fields))


def _environment(settings: Settings, gpu: Mapping[str, str]) -> dict[str, str]:
    """The trainer's environment: ours without the secrets, and what it needs to know."""
    ours = {name: value for name, value in os.environ.items() if name not in _SECRETS}
    return (
        _MALLOC
        | ours
        | {
            "NETMORPH_STORAGE_URL": settings.storage_url,
            "NETMORPH_CACHE_DIR": str(settings.cache_dir),
            "NETMORPH_DEVICE": settings.device,
            "NETMORPH_THREADS": str(settings.threads),
        }
        | dict(gpu)
    )
