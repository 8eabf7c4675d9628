"""The worker's work: the Celery job `train`, and the loop that asks for work without the broker.

A message only says that there is something to do. Job and loop share one place, so that a worker
has one trial at a time; whoever holds it leases trial after trial until none is waiting.
"""

import logging
import random
from collections.abc import Callable
from threading import Event as Flag
from time import monotonic, sleep
from uuid import UUID

from celery import Celery

from core.errors import NetmorphError
from core.protocol.contracts import LeaseRequest
from core.protocol.queue import TRAIN_JOB, celery_config
from worker import logs
from worker.notifications import RunnerLock
from worker.process import TrainerDied
from worker.reports import ControllerClient, deliver
from worker.settings import Settings
from worker.supervisor import TrainerSupervisor

logger = logging.getLogger(__name__)

_LAST_REPORT_SECONDS = 8.0  # for a result to be delivered once the worker shuts down
_LONGEST_SILENCE = 15.0  # seconds between two questions while the controller does not answer
_LONGEST_REST = 300.0  # seconds while trainers die one after the other


class TrialRunner:
    """The worker's one place for a trial."""

    def __init__(
        self,
        settings: Settings,
        controller: ControllerClient,
        supervisor: TrainerSupervisor,
        *,
        worker_id: UUID,
        boot_id: UUID,
        lock: RunnerLock,
        stopping: Flag,
        pulse: Callable[[], None],
    ) -> None:
        self._settings = settings
        self._controller = controller
        self._supervisor = supervisor
        self._worker_id = worker_id
        self._boot_id = boot_id
        self._stopping = stopping
        self._pulse = pulse
        self._door = lock
        self._rest_until = 0.0  # monotonic
        self._silences = 0  # of the controller, in a row

    def drain(self, prefer: UUID | None = None, *, wait: bool = True) -> None:
        """Train the preferred trial and then any others, until none is waiting.

        Where the place is taken, wait for it, or do nothing: its holder asks for work anyway.
        """
        if not self._door.enter(wait=wait):
            return
        try:
            while not self._resting() and self._train_next(prefer):
                prefer = None
        finally:
            self._door.leave()

    def poll(self) -> None:
        """Ask for work every few seconds, until the worker shuts down."""
        while not self._stopping.is_set():
            self.drain(wait=False)
            self._stopping.wait(self._settings.poll_seconds * random.uniform(0.8, 1.2))

    def _resting(self) -> bool:
        return self._stopping.is_set() or monotonic() < self._rest_until

    def _train_next(self, prefer: UUID | None) -> bool:
        """Train one trial; whether to ask for another.

        Nothing may end the loop: what goes wrong is logged, and the worker rests a while.
        """
        self._pulse()
        try:
            trained = self._train_one(prefer)
        except TrainerDied as error:
            if not self._stopping.is_set():
                logger.error("no trial is taken: %s", error)
            self._rest(self._supervisor.deaths, _LONGEST_REST)
            return False
        except NetmorphError as error:
            logger.warning("no answer from the controller: %s", error)
            self._silences += 1
            self._rest(self._silences, _LONGEST_SILENCE)
            return False
        except Exception:
            logger.exception("unexpected error")
            self._rest(1, _LONGEST_REST)
            return False
        self._silences = 0
        self._rest(self._supervisor.deaths - 1, _LONGEST_REST)
        return trained or prefer is not None

    def _train_one(self, prefer: UUID | None) -> bool:
        """Lease a trial, have it trained and report it; False where there was none."""
        trainer = self._supervisor.prepare()  # first: who cannot train takes no trial
        asked_at = monotonic()
        order = self._controller.lease(self._request(), prefer)
        if order is None:
            return False
        with logs.about(order):
            logger.info("training starts")
            result = self._supervisor.train(trainer, order, asked_at)
            if result is not None:
                logger.info("training ended: %s %s", result.status, result.reason)
                deliver(self._controller, order, result, self._patience())
        return True

    def _request(self) -> LeaseRequest:
        return LeaseRequest(
            worker_id=self._worker_id,
            boot_id=self._boot_id,
            name=self._settings.worker_name,
            device=self._supervisor.device,
            threads=self._settings.threads,
        )

    def _rest(self, failures: int, longest: float) -> None:
        """Take nothing for a while, twice as long with each failure in a row."""
        if failures > 0:
            seconds = self._settings.poll_seconds * 2.0 ** min(failures - 1, 20)
            self._rest_until = monotonic() + min(seconds, longest) * random.uniform(0.8, 1.2)

    def _patience(self) -> Callable[[float], bool]:
        """How `deliver` waits: for ever, but not for long once the worker shuts down."""
        last = float("inf")

        def pause(seconds: float) -> bool:
            nonlocal last
            self._pulse()
            if not self._stopping.wait(seconds):
                return False
            last = min(last, monotonic() + _LAST_REPORT_SECONDS)
            sleep(min(seconds, 1.0))
            return monotonic() >= last

        return pause


def create_app(settings: Settings, place: TrialRunner) -> Celery:
    """The Celery application whose one job fills the place."""
    app = Celery("netmorph")
    app.conf.update(celery_config(settings.broker_url))

    @app.task(name=TRAIN_JOB)  # type: ignore[untyped-decorator]
    def train(trial_id: str, attempt: int) -> None:
        """Train the trial, unless somebody else has it, and then whatever waits."""
        logger.debug("order for attempt %d of trial %s", attempt, trial_id)
        place.drain(UUID(trial_id))

    return app
