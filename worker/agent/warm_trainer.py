"""Keeps a trainer process ready: starts it, keeps it for the next trials, and replaces it."""

import logging
import os
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from threading import Event as Flag
from time import monotonic

from worker.agent.trainer_process import EndOfEvents, TrainerDied, TrainerProcess
from worker.messages import Ready
from worker.settings import Settings

logger = logging.getLogger(__name__)

_TICK = 1.0  # seconds between two looks at a trainer that starts
_SHUTDOWN_TIMEOUT = 5.0  # seconds for a replaced trainer to exit by itself
#: For glibc's malloc: memory is kept for the next step instead of being returned after each one,
#: which saves 6 % of a step (`docs/results/speed.md`). The worker's own environment has priority.
_MALLOC = {"MALLOC_MMAP_THRESHOLD_": str(32 << 20), "MALLOC_TRIM_THRESHOLD_": str(512 << 20)}
_LONGEST_DEVICE = 128  # characters that a lease request may have for it
_SECRETS = frozenset({"NETMORPH_WORKER_KEY", "NETMORPH_BROKER_URL", "NETMORPH_ADMIN_KEY"})


class WarmTrainer:
    """Owns the trainer process, which stays warm between trials."""

    def __init__(
        self,
        settings: Settings,
        *,
        stopping: Flag,  # set when the worker shuts down
        touch_health: Callable[[], None],  # called often while a trainer starts
        gpu: Mapping[str, str] | None = None,  # the environment that selects it
    ) -> None:
        self.device = "unknown"  # as the trainer names it
        self.memory = 0  # bytes of the device, as the trainer finds them; 0: unknown
        self.deaths = 0  # trainers that died in a row, with no trial that ended between them
        self._settings = settings
        self._stopping = stopping
        self._touch_health = touch_health
        self._environment = _environment(settings, gpu or {})
        self._process: TrainerProcess | None = None
        # Linux ends a trainer with the thread that has started it (prctl, PR_SET_PDEATHSIG), so
        # that must be one that lives as long as this process, not the first that needs a trainer.
        self._starter = ThreadPoolExecutor(max_workers=1, thread_name_prefix="trainer-start")

    def prepare(self) -> TrainerProcess:
        """A trainer that waits for an order; a new one is started where there is none.

        Raises:
            TrainerDied: no trainer can be started here, so no trial should be leased.
        """
        process = self._process
        if process is not None and process.is_alive():
            if self.is_ready(process):
                return process
            logger.info("the trainer is replaced after %d trials", process.trials)
        self.close()
        command, environment = self._settings.trainer_command, self._environment
        self._process = self._starter.submit(TrainerProcess, command, environment).result()
        try:
            self._wait_until_ready(self._process)
        except TrainerDied:
            self.deaths += 1
            raise
        return self._process

    def is_ready(self, process: TrainerProcess) -> bool:
        """Whether this trainer, which trains nothing now, can begin another trial at once."""
        is_new = process.trials < self._settings.trials_per_trainer
        return process is self._process and is_new and process.is_alive()

    def kill(self) -> None:
        """Kill the trainer, if there is one, and its children."""
        if self._process is not None:
            self._process.kill()
            self._process = None

    def close(self) -> None:
        """Let the trainer end, if there is one."""
        if self._process is not None:
            self._process.shut_down(_SHUTDOWN_TIMEOUT)
            self._process = None

    def _wait_until_ready(self, process: TrainerProcess) -> None:
        started = monotonic()
        while not self._stopping.is_set():
            self._touch_health()
            match process.next_notice(_TICK):
                case Ready(device=device, memory=memory):
                    self.device, self.memory = device[:_LONGEST_DEVICE], memory
                    logger.info("trainer %d is ready on %s", process.pid, self.device)
                    return
                case EndOfEvents():
                    break
            if monotonic() > started + self._settings.hang_seconds:
                break
        self.kill()
        seconds = monotonic() - started
        raise TrainerDied(f"no trainer after {seconds:.0f} s: {process.exit_summary()}")


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
            "NETMORPH_PRECISION": settings.precision,
            "NETMORPH_THREADS": str(settings.threads),
        }
        | dict(gpu)
    )
