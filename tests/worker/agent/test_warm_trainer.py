"""A trainer is started when it is needed, kept while it serves, and replaced after some trials."""

import json
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from core.protocol.contracts.train_orders import TrainOrder
from core.protocol.states import TrialStatus
from tests.worker.conftest import PLAYER
from worker.agent.trainer_process import TrainerDied, TrainerProcess
from worker.agent.warm_trainer import WarmTrainer
from worker.messages import Ended
from worker.settings import Settings

PATIENCE = 20.0  # seconds for an event of the trainer


@pytest.fixture
def make(settings: Settings) -> Iterator[Callable[..., WarmTrainer]]:
    """Makes a warm trainer with other settings; every one is closed after the test."""
    made: list[WarmTrainer] = []

    def trainer(gpu: dict[str, str] | None = None, **changes: Any) -> WarmTrainer:
        made.append(
            WarmTrainer(
                settings.model_copy(update=changes),
                stopping=threading.Event(),
                touch_health=lambda: None,
                gpu=gpu,
            )
        )
        return made[-1]

    yield trainer
    for one in made:
        one.close()


def end_of(process: TrainerProcess, order: TrainOrder) -> Ended:
    """Have the order trained; how it ended."""
    process.train(order)
    while not isinstance(notice := process.next_notice(PATIENCE), Ended):
        assert notice is not None
    return notice


def test_a_trainer_is_kept_and_its_device_is_known(make):
    trainer = make()
    assert trainer.device == "unknown"
    assert trainer.prepare() is trainer.prepare()
    assert (trainer.device, trainer.memory) == ("test device", 2**33)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such signal")
def test_a_trainer_outlives_the_thread_that_needed_it_first(make, controller):
    """A trainer asks to be killed when its parent dies, and for Linux that is a thread."""
    asks = f"import ctypes; ctypes.CDLL(None).prctl(1, 9); exec(open({str(PLAYER)!r}).read())"
    trainer = make(trainer_command=(sys.executable, "-c", asks))
    made: list[TrainerProcess] = []
    thread = threading.Thread(target=lambda: made.append(trainer.prepare()))
    thread.start()
    thread.join()
    process = trainer.prepare()
    assert [process] == made
    assert end_of(process, controller.add("train")).status is TrialStatus.COMPLETED


def test_a_trainer_is_replaced_after_its_last_trial(make, controller, gone):
    trainer = make(trials_per_trainer=2)
    first = trainer.prepare()
    for _ in range(2):
        assert trainer.prepare() is first
        end_of(first, controller.add("train"))
    assert trainer.prepare() is not first
    assert gone(first.pid)


def test_a_trainer_that_has_died_is_replaced(make, gone):
    trainer = make()
    first = trainer.prepare()
    first.kill()
    assert trainer.prepare().pid != first.pid
    assert gone(first.pid)


def test_a_closed_trainer_is_gone_and_another_one_can_be_started(make, gone):
    trainer = make()
    pid = trainer.prepare().pid
    trainer.close()
    assert gone(pid)
    assert trainer.prepare().pid != pid


def test_trainers_that_do_not_start_are_counted_and_the_error_says_why(make):
    trainer = make(trainer_command=("python3", "-c", "raise SystemExit('no torch')"))
    for deaths in (1, 2):
        with pytest.raises(TrainerDied, match="exit code 1; stderr: no torch"):
            trainer.prepare()
        assert trainer.deaths == deaths


def test_a_trainer_sees_its_settings_and_its_gpu_and_no_secrets(make, controller, monkeypatch):
    secrets = ["NETMORPH_WORKER_KEY", "NETMORPH_BROKER_URL", "NETMORPH_ADMIN_KEY"]
    for name in secrets:
        monkeypatch.setenv(name, "secret")
    given = {"NETMORPH_DEVICE": "cpu", "NETMORPH_PRECISION": "fp32", "NETMORPH_THREADS": "3"}
    given["CUDA_VISIBLE_DEVICES"] = "1"
    process = make(threads=3, precision="fp32", gpu={"CUDA_VISIBLE_DEVICES": "1"}).prepare()
    ended = end_of(process, controller.add("environment", names=[*secrets, *given]))
    assert json.loads(ended.reason) == dict.fromkeys(secrets) | given
