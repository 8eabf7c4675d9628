"""A worker, from its start to its end: Celery's consumer, and a loop that requests trials."""

import logging
import platform
import signal
import warnings
from threading import Event as Flag
from threading import Thread
from time import monotonic
from types import FrameType
from uuid import uuid4

from celery.apps.worker import Worker
from celery.exceptions import SecurityWarning
from celery.worker import state

from worker.agent import health, notifications
from worker.agent.controller_client import ControllerClient
from worker.agent.slot import take_gpu, take_identity
from worker.agent.supervisor import TrialSupervisor
from worker.agent.warm_trainer import WarmTrainer
from worker.jobs import TrialRunner, create_app
from worker.settings import Settings

logger = logging.getLogger(__name__)

_FIRST_PAUSE, _LONGEST_PAUSE = 2.0, 60.0  # seconds between two starts of the consumer


def run(settings: Settings) -> int:
    """Work until SIGTERM or SIGINT; the exit code."""
    slot = take_gpu(settings.device, settings.slot_dir)
    identity = take_identity(settings.state_dir)
    stopping = Flag()
    _shut_down_on_signals(stopping)
    health_file = health.HealthFile(settings.health_file)
    controller = ControllerClient(settings)
    trainer = WarmTrainer(
        settings,
        stopping=stopping,
        touch_health=health_file.touch,
        gpu=None if slot is None else slot.gpu.environment,
    )
    supervisor = TrialSupervisor(
        settings,
        controller,
        trainer,
        worker_id=identity.worker_id,
        boot_id=uuid4(),
        stopping=stopping,
        touch_health=health_file.touch,
    )
    lock = notifications.RunnerLock()
    runner = TrialRunner(
        settings,
        supervisor,
        trainer,
        lock=lock,
        stopping=stopping,
        touch_health=health_file.touch,
    )
    notifications.install(lock)
    logger.info("worker %s on %s, id %s", settings.worker_name, platform.node(), identity.worker_id)
    polling = Thread(target=runner.poll, name="poll", daemon=True)
    polling.start()
    try:
        return _consume_until(stopping, settings, runner)
    finally:
        stopping.set()
        polling.join()
        trainer.close()
        controller.close()
        health_file.remove()


def _shut_down_on_signals(stopping: Flag) -> None:
    """Let SIGTERM and SIGINT shut the worker down in order, whatever it is doing."""

    def shut_down(number: int, frame: FrameType | None) -> None:
        stopping.set()
        state.should_stop = 0  # tells Celery to shut down warmly, with this exit code

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, shut_down)


class _Consumer(Worker):  # type: ignore[misc]
    """Celery's worker without its signal handlers."""

    def install_platform_tweaks(self, worker: Worker) -> None:
        """Keep the signal handlers that are installed."""


def _consume_until(stopping: Flag, settings: Settings, runner: TrialRunner) -> int:
    """Run Celery's consumer until the worker shuts down; its exit code.

    Anybody who reaches the broker can make the consumer fail, as by another type of value under the
    queue's key. Then it is started again after a pause; the worker requests trials meanwhile.
    """
    pause = _FIRST_PAUSE
    while True:
        started = monotonic()
        code = _consume(settings, runner)
        if monotonic() > started + _LONGEST_PAUSE:  # it ran well
            pause = _FIRST_PAUSE
        if stopping.is_set():
            return code
        logger.error("the consumer of notifications ended; next start in %g s", pause)
        stopping.wait(pause)
        pause = min(2 * pause, _LONGEST_PAUSE)


def _consume(settings: Settings, runner: TrialRunner) -> int:
    """Run Celery's consumer until it ends; its exit code."""
    # Celery warns against root because of pickled messages, which are refused here.
    warnings.simplefilter("ignore", SecurityWarning)
    consumer = _Consumer(
        app=create_app(settings, runner),
        pool_cls="threads",
        concurrency=1,
        loglevel=settings.log_level,
        quiet=True,
        without_gossip=True,
        without_mingle=True,
        without_heartbeat=True,
    )
    consumer.start()
    return int(consumer.exitcode or 0)
