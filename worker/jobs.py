"""The worker's work: the Celery job `train`, and the loop that requests trials without the broker.

A notification only says that there is something to do. Job and loop share one lock, so that a
worker trains one trial at a time; the thread that holds it leases trial after trial until none is
waiting.
"""

import logging
import random
from collections.abc import Callable
from threading import Event as Flag
from time import monotonic

from celery import Celery

from core.errors import NetmorphError
from core.protocol.queue import TRAIN_JOB, celery_config
from worker.agent.controller_client import ControllerUnreachable, RestDemanded
from worker.agent.notifications import RunnerLock
from worker.agent.supervisor import TrialSupervisor
from worker.agent.trainer_process import TrainerDied
from worker.agent.warm_trainer import WarmTrainer
from worker.settings import Settings

logger = logging.getLogger(__name__)

_LONGEST_RETRY = 15.0  # seconds between two requests while the controller does not answer
_LONGEST_REST = 300.0  # seconds, while one trainer after the other dies


class TrialRunner:
    """Has one trial after the other trained, as long as any is waiting."""

    def __init__(
        self,
        settings: Settings,
        supervisor: TrialSupervisor,
        trainer: WarmTrainer,
        *,
        lock: RunnerLock,
        stopping: Flag,
        touch_health: Callable[[], None],
    ) -> None:
        self._settings = settings
        self._supervisor = supervisor
        self._trainer = trainer
        self._lock = lock
        self._stopping = stopping
        self._touch_health = touch_health
        self._rest_until = 0.0  # monotonic
        self._failed_requests = 0  # to the controller, in a row

    def drain(self, *, wait: bool = True) -> None:
        """Train trials until none is waiting.

        While another thread holds the lock, wait for it or return: that thread requests trials
        anyway.
        """
        if not self._lock.acquire(wait=wait):
            return
        try:
            while not self._is_resting() and self._train_next():
                pass
        finally:
            self._lock.release()

    def poll(self) -> None:
        """Request trials every few seconds, until the worker shuts down."""
        while not self._stopping.is_set():
            self.drain(wait=False)
            self._stopping.wait(self._settings.poll_seconds * random.uniform(0.8, 1.2))

    def _is_resting(self) -> bool:
        return self._stopping.is_set() or monotonic() < self._rest_until

    def _train_next(self) -> bool:
        """Train what waits; whether to request more.

        No error may end the loop: it is logged, and the worker rests a while.
        """
        self._touch_health()
        try:
            trained = self._supervisor.train_some()
        except TrainerDied as error:
            if not self._stopping.is_set():
                logger.error("no trial is leased, as no trainer starts: %s", error)
            self._rest(self._trainer.deaths, _LONGEST_REST)
            return False
        except RestDemanded as error:
            logger.error("no trial is leased for %.0f s: %s", error.seconds, error)
            self._rest(1, 0.0, error.seconds)
            return False
        except NetmorphError as error:
            logger.warning("no answer from the controller: %s", error)
            self._failed_requests += 1
            demanded = error.retry_after if isinstance(error, ControllerUnreachable) else 0.0
            self._rest(self._failed_requests, _LONGEST_RETRY, demanded)
            return False
        except Exception:
            logger.exception("unexpected error")
            self._rest(1, _LONGEST_REST)
            return False
        self._failed_requests = 0
        self._rest(self._trainer.deaths - 1, _LONGEST_REST)
        return trained

    def _rest(self, failures: int, longest: float, least: float = 0.0) -> None:
        """Lease nothing for a while, twice as long after each failure in a row."""
        if failures > 0:
            seconds = self._settings.poll_seconds * 2.0 ** min(failures - 1, 20)
            rest = min(seconds, longest) * random.uniform(0.8, 1.2)
            self._rest_until = monotonic() + max(rest, least)


def create_app(settings: Settings, runner: TrialRunner) -> Celery:
    """The Celery application whose one job has the runner train trials."""
    app = Celery("netmorph")
    app.conf.update(celery_config(settings.broker_url))

    @app.task(name=TRAIN_JOB)  # type: ignore[untyped-decorator]
    def train(trial_id: str, attempt: int) -> None:
        """Train what waits: the trial of the notification may be another worker's already."""
        logger.debug("notified of attempt %d of trial %s", attempt, trial_id)
        runner.drain()

    return app
