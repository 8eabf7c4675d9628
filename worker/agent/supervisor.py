"""The supervisor: it runs one order on the trainer process, and kills a trainer that does not end.

It owns every deadline: the lease, a hang, a stop that is not obeyed, the trial's own time limit.
Whatever happens to the trainer, the supervisor returns a result, or None where the lease is lost.
"""

import logging
import os
from collections.abc import Callable, Mapping
from threading import Event as Flag
from time import monotonic

from core.protocol.contracts import EpochReport, TrainOrder, TrialResult
from worker.agent.controller_client import ControllerClient
from worker.agent.lease import HeldLease
from worker.agent.monitor import Ending, TrainingMonitor
from worker.agent.trainer_process import EndOfEvents, Notice, TrainerDied, TrainerProcess
from worker.messages import EpochEnded, Ready, Stop
from worker.settings import Settings

logger = logging.getLogger(__name__)

_TICK = 1.0  # seconds between two checks of the deadlines
_SHUTDOWN_TIMEOUT = 5.0  # seconds for a replaced trainer to exit by itself
#: For glibc's malloc: memory is kept for the next step instead of being returned after each one,
#: which saves 6 % of a step (`docs/results/speed.md`). The worker's own environment has priority.
_MALLOC = {"MALLOC_MMAP_THRESHOLD_": str(32 << 20), "MALLOC_TRIM_THRESHOLD_": str(512 << 20)}
_LONGEST_DEVICE = 128  # characters that a lease request may have for it
_SECRETS = frozenset({"NETMORPH_WORKER_KEY", "NETMORPH_BROKER_URL", "NETMORPH_ADMIN_KEY"})


class TrainerSupervisor:
    """Owns the trainer process, which stays warm between trials."""

    def __init__(
        self,
        settings: Settings,
        controller: ControllerClient,
        *,
        stopping: Flag,  # set when the worker shuts down
        touch_health: Callable[[], None],  # called often while the supervisor works
        gpu: Mapping[str, str] | None = None,  # the environment that selects it
    ) -> None:
        self.device = "unknown"  # as the trainer names it
        self.deaths = 0  # trainers that died in a row, with no trial that ended between them
        self._settings = settings
        self._controller = controller
        self._stopping = stopping
        self._touch_health = touch_health
        self._environment = _environment(settings, gpu or {})
        self._trainer: TrainerProcess | None = None

    def prepare(self) -> TrainerProcess:
        """A trainer that waits for an order; a new one is started where there is none.

        Raises:
            TrainerDied: no trainer can be started here, so no trial should be leased.
        """
        trainer = self._trainer
        if trainer is not None and trainer.is_alive():
            if trainer.trials < self._settings.trials_per_trainer:
                return trainer
            logger.info("the trainer is replaced after %d trials", trainer.trials)
        self.close()
        self._trainer = TrainerProcess(self._settings.trainer_command, self._environment)
        try:
            self._wait_until_ready(self._trainer)
        except TrainerDied:
            self.deaths += 1
            raise
        return self._trainer

    def train(
        self, trainer: TrainerProcess, order: TrainOrder, requested_at: float
    ) -> TrialResult | None:
        """Train the order; its result, or None where nothing may be reported.

        `trainer` comes from `prepare`; `requested_at` is the monotonic time before the request
        that returned the order.
        """
        trainer.clear_inbox()
        monitor = TrainingMonitor(
            order=order,
            hang_seconds=self._settings.hang_seconds,
            stop_seconds=self._settings.stop_seconds,
            started=monotonic(),
        )
        with HeldLease(
            self._controller,
            order,
            requested_at=requested_at,
            heartbeat_seconds=self._settings.heartbeat_seconds,
            on_answer=trainer.inbox.put,
        ) as lease:
            trainer.train(order)
            ending = self._follow(trainer, monitor, lease)
            exit_summary = self._clean_up(trainer, monitor, ending)
            if ending is not Ending.ENDED:
                lease.abandon()
        return monitor.result(ending, monotonic(), exit_summary)

    def close(self) -> None:
        """End the trainer, if there is one."""
        if self._trainer is not None:
            self._trainer.shut_down(_SHUTDOWN_TIMEOUT)
            self._trainer = None

    def _wait_until_ready(self, trainer: TrainerProcess) -> None:
        started = monotonic()
        while not self._stopping.is_set():
            self._touch_health()
            match trainer.next_notice(_TICK):
                case Ready(device=device):
                    self.device = device[:_LONGEST_DEVICE]
                    logger.info("trainer %d is ready on %s", trainer.pid, self.device)
                    return
                case EndOfEvents():
                    break
            if monotonic() > started + self._settings.hang_seconds:
                break
        self._kill()
        seconds = monotonic() - started
        raise TrainerDied(f"no trainer after {seconds:.0f} s: {trainer.exit_summary()}")

    def _follow(
        self, trainer: TrainerProcess, monitor: TrainingMonitor, lease: HeldLease
    ) -> Ending:
        """Pass messages between trainer and controller until the training is over."""
        tick = min(_TICK, monitor.order.lease_seconds / 10)
        stop_sent = False
        while not self._stopping.is_set():
            self._touch_health()
            notice = trainer.next_notice(tick)
            now = monotonic()
            if notice is not None:
                monitor.observe(notice, now)
                _forward(notice, monitor, lease)
            monitor.enforce_time_limit(now)
            if monitor.request is not None and not stop_sent:
                trainer.send(Stop(reason=monitor.request.reason))
                stop_sent = True
            ending = monitor.ending(now, is_trusted=lease.is_trusted())
            if ending is not None:
                return ending
        return Ending.SHUT_DOWN

    def _clean_up(self, trainer: TrainerProcess, monitor: TrainingMonitor, ending: Ending) -> str:
        """Kill a trainer that does not wait for the next order; its exit summary, or ""."""
        if monitor.ended is not None:
            self.deaths = 0
            return ""
        logger.warning("the trainer is killed: %s", ending.value)
        self._kill()
        if ending is Ending.DIED:
            self.deaths += 1
            monitor.out_of_memory = trainer.out_of_memory()
        return trainer.exit_summary()

    def _kill(self) -> None:
        if self._trainer is not None:
            self._trainer.kill()
            self._trainer = None


def _forward(notice: Notice, monitor: TrainingMonitor, lease: HeldLease) -> None:
    """Have the lease send the step and, at the end of an epoch, its metrics."""
    lease.step = monitor.step
    if isinstance(notice, EpochEnded):
        metrics = notice.model_dump(exclude={"event"})
        order = monitor.order
        lease.report(EpochReport(attempt=order.attempt, token=order.token, **metrics))


def _environment(settings: Settings, gpu: Mapping[str, str]) -> dict[str, str]:
    """The worker's environment without its secrets, and with the trainer's settings."""
    own = {name: value for name, value in os.environ.items() if name not in _SECRETS}
    return (
        _MALLOC
        | own
        | {
            "NETMORPH_STORAGE_URL": settings.storage_url,
            "NETMORPH_CACHE_DIR": str(settings.cache_dir),
            "NETMORPH_DEVICE": settings.device,
            "NETMORPH_THREADS": str(settings.threads),
        }
        | dict(gpu)
    )
