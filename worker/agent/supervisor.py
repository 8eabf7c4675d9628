"""The supervisor leases one trial, has the trainer train it, and delivers the result.

It owns every deadline of a training: a hang, a stop that is not obeyed, the trial's own time limit,
the end of the worker. Whatever happens to the trainer, the controller gets an outcome, unless the
lease is lost or the trial is handed back.
"""

import logging
from collections.abc import Callable
from threading import Event as Flag
from time import monotonic, sleep
from uuid import UUID

from core.protocol import tracing
from core.protocol.contracts.leases import LeaseRequest
from core.protocol.contracts.reports import EpochMetrics
from core.protocol.contracts.results import TrialOutcome
from core.protocol.contracts.train_orders import TrainOrder
from worker.agent import logs
from worker.agent.controller_client import ControllerClient, RestDemanded, deliver, hand_back
from worker.agent.lease import HeldLease
from worker.agent.monitor import Ending, TrainingMonitor
from worker.agent.trainer_process import Notice, TrainerProcess
from worker.agent.warm_trainer import WarmTrainer
from worker.messages import CheckpointStored, EpochEnded
from worker.settings import Settings

logger = logging.getLogger(__name__)

_TICK = 1.0  # seconds between two checks of the deadlines


class TrialSupervisor:
    """Takes trials, one at a time, from the lease to the delivered result."""

    def __init__(
        self,
        settings: Settings,
        controller: ControllerClient,
        trainer: WarmTrainer,
        *,
        worker_id: UUID,
        boot_id: UUID,
        stopping: Flag,  # set when the worker shuts down
        touch_health: Callable[[], None],  # called often while the supervisor works
    ) -> None:
        self._settings = settings
        self._controller = controller
        self._trainer = trainer
        self._worker_id = worker_id
        self._boot_id = boot_id
        self._stopping = stopping
        self._touch_health = touch_health

    def train_some(self) -> bool:
        """Lease a trial, train it and report, and those that the answers to reports bring.

        Returns False where none was waiting.

        Raises:
            RestDemanded: this worker cannot use its storage; its trial is another worker's now.
            TrainerDied: no trainer can be started here; no trial was leased.
            ControllerUnreachable, StaleLease, Refused: no trial was leased.
        """
        process = self._trainer.prepare()  # first: without a trainer no trial is leased
        order = self._controller.lease(self._lease_request())
        if order is None:
            return False
        while order is not None:
            order = self._train_and_report(process, order)
        return True

    def _train_and_report(self, process: TrainerProcess, order: TrainOrder) -> TrainOrder | None:
        """Train an order and report; the next order, where the answer has one."""
        about: dict[str, str | int] = {"trial_id": str(order.trial_id), "attempt": order.attempt}
        with tracing.span("train trial", order.traceparent, **about), logs.trial_context(order):
            logger.info("training starts%s", _after(order))
            pause = self._pause_between_reports()
            ending, outcome, last_epochs = self._train(process, order, pause)
            if ending.is_handed_back:
                logger.info("training is handed back: %s", ending.value)
                hand_back(self._controller, order, pause)
            elif outcome is not None:
                logger.info("training ended: %s %s", outcome.status, outcome.reason)
                answer = deliver(
                    self._controller,
                    order,
                    outcome,
                    pause,
                    lambda: self._next_request(process),
                    last_epochs,
                )
                if answer is not None and answer.rest_seconds:
                    raise RestDemanded(answer.reason, answer.rest_seconds)
                return None if answer is None else answer.next
        return None

    def _next_request(self, process: TrainerProcess) -> LeaseRequest | None:
        """The request for the next trial, if this trainer can begin it at once."""
        if self._stopping.is_set() or not self._trainer.is_ready(process):
            return None
        return self._lease_request()

    def _lease_request(self) -> LeaseRequest:
        return LeaseRequest(
            worker_id=self._worker_id,
            boot_id=self._boot_id,
            name=self._settings.worker_name,
            device=self._trainer.device,
            threads=self._settings.threads,
            exports=True,
            memory=self._trainer.memory,
        )

    def _train(
        self, process: TrainerProcess, order: TrainOrder, pause: Callable[[float], bool]
    ) -> tuple[Ending, TrialOutcome | None, tuple[EpochMetrics, ...]]:
        """Train the order; why that is over, the outcome unless nothing may be reported.

        Then come the epochs that the report of the outcome has to bring.
        """
        process.take_inbox()  # of an earlier trial
        monitor = TrainingMonitor(
            order=order,
            hang_seconds=self._settings.hang_seconds,
            stop_seconds=self._settings.stop_seconds,
            started=monotonic(),
        )
        with HeldLease(
            self._controller,
            order,
            heartbeat_seconds=self._settings.heartbeat_seconds,
            on_answer=process.inbox.put,
        ) as lease:
            process.train(order)
            ending = self._follow(process, monitor, lease)
            exit_summary = self._clean_up(process, monitor, ending)
            # Without a lease as well: the controller removes a checkpoint that nobody continues.
            for notice in process.take_inbox():
                _pass_on(notice, lease)
            last_epochs = lease.take_epochs() if ending.is_reported else ()
            while not lease.finish(_TICK):
                if pause(0.0):
                    lease.abandon()
        return ending, monitor.outcome(ending, monotonic(), exit_summary), last_epochs

    def _follow(
        self, process: TrainerProcess, monitor: TrainingMonitor, lease: HeldLease
    ) -> Ending:
        """Pass messages between trainer and controller until the training is over."""
        tick = min(_TICK, monitor.order.lease_seconds / 10)
        while True:
            self._touch_health()
            notice = process.next_notice(tick)
            now = monotonic()
            if notice is not None:
                monitor.observe(notice, now)
                lease.set_step(monitor.step)
                _pass_on(notice, lease)
            monitor.enforce_time_limit(now)
            if self._stopping.is_set():
                monitor.shut_down(now)
            if (command := monitor.new_command()) is not None:
                process.send(command)
            if (ending := monitor.ending(now)) is not None:
                return ending

    def _clean_up(self, process: TrainerProcess, monitor: TrainingMonitor, ending: Ending) -> str:
        """Kill a trainer that does not wait for the next order; its exit summary, or ""."""
        if monitor.ended is not None or monitor.interrupted:
            self._trainer.deaths = 0
            return ""
        logger.warning("the trainer is killed: %s", ending.value)
        self._trainer.kill()
        if ending is Ending.DIED:
            self._trainer.deaths += 1
            monitor.out_of_memory = process.out_of_memory()
        return process.exit_summary()

    def _pause_between_reports(self) -> Callable[[float], bool]:
        """How reports wait: without an end, but only briefly once the worker shuts down."""
        give_up_at = float("inf")

        def pause(seconds: float) -> bool:
            nonlocal give_up_at
            self._touch_health()
            if not self._stopping.wait(seconds):
                return False
            give_up_at = min(give_up_at, monotonic() + self._settings.last_report_seconds)
            sleep(min(seconds, 1.0))
            return monotonic() >= give_up_at

        return pause


def _pass_on(notice: Notice, lease: HeldLease) -> None:
    """Have an epoch or a checkpoint reported."""
    if isinstance(notice, EpochEnded | CheckpointStored):
        lease.report(notice)


def _after(order: TrainOrder) -> str:
    """Where a continued training begins, in words."""
    return "" if order.checkpoint is None else f" after epoch {order.checkpoint.epoch}"
