"""The trainer process as the agent sees it: its events arrive, and its exit is always noticed."""

import json
import logging
import os
import signal
import subprocess
import sys
from pathlib import Path
from time import monotonic

import pytest
import torch

from core.graph.weights import check, load
from core.protocol.contracts.datasets import DatasetSpec
from core.protocol.states import TrialKind, TrialStatus
from core.protocol.storage import Storage
from tests.worker.orders import NETWORK, order_for
from worker.agent.trainer_process import EndOfEvents, TrainerProcess, oom_kills
from worker.messages import Ended, EpochEnded, Progress, Ready, Stop

READY = json.dumps({"event": "ready", "device": "test device"})
PATIENCE = 60.0  # seconds to wait for an event; it normally comes at once


@pytest.fixture
def start(tmp_path):
    """Starts processes as trainers, and ends them."""
    started = []

    def begin(program=None, **environment):
        command = ("-m", "worker.trainer") if program is None else ("-c", program)
        environment = {
            "NETMORPH_STORAGE_URL": (tmp_path / "storage").as_uri(),
            "NETMORPH_CACHE_DIR": str(tmp_path / "cache"),
            "NETMORPH_DEVICE": "cpu",
            "NETMORPH_THREADS": "1",
        } | environment
        started.append(TrainerProcess((sys.executable, "-P", *command), os.environ | environment))
        return started[-1]

    yield begin
    for trainer in started:
        trainer.kill()


@pytest.fixture
def storage(tmp_path):
    return Storage((tmp_path / "storage").as_uri())


@pytest.fixture
def hurried(monkeypatch):
    """Half a second for the pipes of a process that has exited, which have nothing more."""
    monkeypatch.setattr("worker.agent.trainer_process._EXIT_TIMEOUT", 0.5)


def until(trainer, *kinds):
    """All notices up to the first of these kinds."""
    seen = []
    deadline = monotonic() + PATIENCE
    while not seen or not isinstance(seen[-1], kinds):
        assert monotonic() < deadline, seen
        notice = trainer.next_notice(0.05)
        if notice is not None:
            seen.append(notice)
    return seen


# --- the real trainer -------------------------------------------------------------------------


def test_a_trainer_trains_many_orders_obeys_stops_and_exits_when_its_stdin_ends(start, storage):
    trainer = start()
    assert [*map(type, until(trainer, Ready))] == [Ready]

    trainer.train(order_for(storage))
    *events, ended = until(trainer, Ended, EndOfEvents)
    assert ended.status is TrialStatus.COMPLETED
    assert [event.epoch for event in events if isinstance(event, EpochEnded)] == [1, 2, 3]
    check(NETWORK, load(storage.get(ended.weights)))

    endless = order_for(storage, hyperparameters={"epochs": 10**9})
    trainer.train(endless)
    until(trainer, EpochEnded)
    trainer.send(Stop(reason="by the user"))
    *events, ended = until(trainer, Ended, EndOfEvents)
    assert ended.status is TrialStatus.STOPPED
    assert ended.epochs >= 1
    check(NETWORK, load(storage.get(ended.weights)))

    trainer.train(order_for(storage, kind=TrialKind.FINAL))  # an earlier stop does not count
    ended = until(trainer, Ended, EndOfEvents)[-1]
    assert ended.status is TrialStatus.COMPLETED
    assert len(storage.get(ended.export)) == ended.export.bytes

    trainer.train(endless)
    until(trainer, Progress, EpochEnded)
    trainer.shut_down(PATIENCE)
    assert trainer.exit_summary() == "ended with exit code 0"
    assert isinstance(until(trainer, EndOfEvents, Ended)[-1], EndOfEvents)
    assert trainer.trials == 4


def test_an_unforeseen_error_ends_the_trainer_and_the_exit_summary_names_it(start, storage):
    order = order_for(storage)
    other = DatasetSpec(**order.dataset_spec.model_dump() | {"input_shape": (1, 3, 3)})
    misfit = json.loads(json.dumps(order.architecture).replace("[1, 6, 4]", "[1, 8, 4]"))
    trainer = start()
    trainer.train(order.model_copy(update={"architecture": misfit, "dataset_spec": other}))
    assert isinstance(until(trainer, EndOfEvents, Ended)[-1], EndOfEvents)
    trainer.kill()
    assert trainer.exit_summary().startswith("ended with exit code 1; stderr: ")
    assert "RuntimeError" in trainer.exit_summary()


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_a_trainer_without_the_gpu_that_it_should_use_says_so(start):
    trainer = start(NETMORPH_DEVICE="cuda")
    assert [*map(type, until(trainer, EndOfEvents, Ready))] == [EndOfEvents]
    trainer.kill()  # at once: it is still exiting
    how, _, stderr = trainer.exit_summary().partition("; stderr: ")
    assert how == "ended with exit code 1"
    assert stderr == "NETMORPH_DEVICE is cuda, but torch sees no CUDA device here"


def test_a_trainer_that_gets_an_unknown_command_exits_and_says_so(environment):
    done = subprocess.run(
        [sys.executable, "-P", "-m", "worker.trainer"],
        input=b'{"command":"dance"}\n',
        env=environment,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 2
    assert b'not a command: b\'{"command":"dance"}' in done.stderr


# --- any process ------------------------------------------------------------------------------


def test_events_written_before_an_exit_are_read_before_it(start):
    ended = json.dumps({"event": "ended", "status": "completed", "value": 0.5})
    trainer = start(f"print('{READY}'); print('{ended}', end='')")
    seen = until(trainer, EndOfEvents)
    assert [*map(type, seen)] == [Ready, Ended, EndOfEvents]
    assert seen[1].value == 0.5


@pytest.mark.parametrize("name", ["SIGKILL", "SIGSEGV", "SIGTERM"])
def test_the_signal_that_killed_a_trainer_is_named(start, name):
    trainer = start(f"import os, signal; os.kill(os.getpid(), signal.{name})")
    assert isinstance(until(trainer, EndOfEvents)[-1], EndOfEvents)
    trainer.kill()
    assert trainer.exit_summary() == f"killed by {name}"
    assert not trainer.out_of_memory()
    assert not trainer.is_alive()


def test_a_trainer_that_a_library_ends_for_its_memory_has_died_of_that(start):
    said = "OpenBLAS error: Memory allocation still failed after 10 retries, giving up."
    trainer = start(f"import sys; print('{said}', file=sys.stderr); sys.exit(1)")
    assert isinstance(until(trainer, EndOfEvents)[-1], EndOfEvents)
    trainer.kill()
    assert trainer.out_of_memory()
    assert trainer.exit_summary() == f"ended with exit code 1 (out of memory); stderr: {said}"


def test_an_order_to_a_trainer_that_has_exited_gets_the_end_of_events(start, storage, hurried):
    trainer = start("")
    until(trainer, EndOfEvents)
    trainer.train(order_for(storage))
    assert isinstance(until(trainer, EndOfEvents)[-1], EndOfEvents)
    trainer.kill()
    assert trainer.exit_summary() == "ended with exit code 0"


def test_an_exit_is_noticed_although_a_child_holds_the_pipe_open(start, gone, eventually, hurried):
    trainer = start(
        "import subprocess, sys\nprint(subprocess.Popen(['sleep', '600']).pid, file=sys.stderr)\n"
    )
    assert [*map(type, until(trainer, EndOfEvents))] == [EndOfEvents]
    child = int(eventually(lambda: trainer.exit_summary().partition("stderr: ")[2]))
    assert not gone(child)
    trainer.kill()
    eventually(lambda: gone(child))


def test_lines_that_are_no_events_are_skipped(start, caplog):
    lines = ["", "nonsense", '{"event": "unknown"}', '{"event": "progress"}', "x" * (3 << 20)]
    trainer = start(f"for line in {lines[:4]!r} + ['x' * {3 << 20}, '{READY}']: print(line)")
    with caplog.at_level(logging.WARNING):
        assert [*map(type, until(trainer, EndOfEvents))] == [Ready, EndOfEvents]
    assert "not an event of the trainer, skipped: b'nonsense" in caplog.text
    assert max(len(record.getMessage()) for record in caplog.records) < 300


def test_sending_to_a_trainer_that_does_not_read_never_blocks(start, storage):
    trainer = start("import time; time.sleep(600)")
    order = order_for(storage, history={"long": "x" * 100_000})  # more than a pipe holds
    for _ in range(5):
        trainer.train(order)
    assert trainer.next_notice(0.01) is None
    trainer.shut_down(0.05)
    assert trainer.exit_summary() == "killed by SIGKILL"


def test_the_exit_summary_has_the_last_lines_of_stderr(start):
    trainer = start(
        "import sys\n"
        "for n in range(100): print('line', n, file=sys.stderr)\n"
        "sys.stderr.buffer.write(b'\\xff' + b'y' * 5000); sys.exit(3)"
    )
    until(trainer, EndOfEvents)
    trainer.kill()
    summary = trainer.exit_summary()
    assert summary.startswith("ended with exit code 3; stderr: line 89\n")
    assert "line 99" in summary
    assert summary.endswith("�" + "y" * 499)


def test_only_the_notices_that_have_come_are_taken_from_the_inbox(start, eventually):
    trainer = start(
        f"import sys\nprint('{READY}', flush=True)\nsys.stdin.readline()\nprint('{READY}')"
    )
    eventually(lambda: not trainer.inbox.empty())
    assert [*map(type, trainer.take_inbox())] == [Ready]
    assert trainer.next_notice(0.01) is None
    trainer.send(Stop())
    assert [*map(type, until(trainer, EndOfEvents))] == [Ready, EndOfEvents]


def test_a_trainer_has_its_own_process_group_which_is_killed_with_it(start, gone, eventually):
    trainer = start("import subprocess, time; subprocess.Popen(['sleep', '600']); time.sleep(600)")
    assert os.getpgid(trainer.pid) == trainer.pid != os.getpgid(0)
    (child,) = eventually(
        lambda: Path(f"/proc/{trainer.pid}/task/{trainer.pid}/children").read_text().split()
    )
    trainer.kill()
    trainer.kill()  # a second time changes nothing
    assert gone(trainer.pid)
    eventually(lambda: gone(int(child)))
    assert trainer.exit_summary() == f"killed by {signal.Signals.SIGKILL.name}"


@pytest.mark.parametrize(
    ("group", "name", "text"),
    [
        ("", "memory.events", "low 0\nmax 5\noom 4\noom_kill 3\noom_group_kill 1\n"),
        ("a/b", "a/b/memory.events", "oom_kill 3\n"),
        ("", "memory/memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 3\n"),
        ("a", "memory/a/memory.oom_control", "oom_kill 3\n"),
        ("of the host", "memory.events", "oom_kill 3\n"),
    ],
)
def test_processes_that_were_killed_for_memory_are_counted(tmp_path, group, name, text):
    groups = tmp_path / "cgroup"
    groups.write_text(f"9:name=systemd:/x\n4:memory:/{group}\n0::/{group}\n")
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / name).write_text(text)
    assert oom_kills(tmp_path, groups) == 3
    assert oom_kills(tmp_path / "nowhere", groups) == 0
    assert oom_kills(tmp_path, tmp_path / "nowhere") == 0
