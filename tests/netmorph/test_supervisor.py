"""The supervisor: what dies is started again, ever later; what is stopped leaves nothing."""

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from netmorph.errors import LaunchError
from netmorph.supervisor import ProcessSupervisor, Program

FOREVER = "import time; time.sleep(1000)"
CHILD = """
import subprocess, sys, pathlib, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1000)"])
pathlib.Path(sys.argv[1]).write_text(str(child.pid))
time.sleep(1000)
"""


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    (tmp_path / "logs").mkdir()
    return tmp_path


def program(directory: Path, code: str, *arguments: str, name: str = "child") -> Program:
    """A child that runs the code."""
    command = [sys.executable, "-c", code, *arguments]
    return Program(name, command, {"PATH": "/usr/bin"}, directory)


def within(seconds: float, condition: Callable[[], bool]) -> Callable[[], bool]:
    """A condition that fails the test when it does not come true in time."""
    deadline = time.monotonic() + seconds

    def ask() -> bool:
        assert time.monotonic() < deadline, "it did not happen in time"
        return condition()

    return ask


def test_a_killed_child_is_started_again(directory: Path) -> None:
    child = program(directory, FOREVER)
    told: list[list[dict[str, object]]] = []
    supervisor = ProcessSupervisor(told.append)
    supervisor.start(child)
    first = child.process
    assert first is not None
    first.kill()
    supervisor.watch(within(20, lambda: child.process is not first))
    assert child.process is not None
    assert child.process.poll() is None
    supervisor.stop()
    assert [notes[0]["pid"] for notes in told] == [first.pid, child.process.pid]


def test_a_child_that_keeps_dying_is_started_ever_more_rarely(
    directory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    supervisor = ProcessSupervisor(lambda notes: None)
    supervisor.start(program(directory, "print('no such luck'); raise SystemExit(3)"))
    said = ""

    def third_death() -> bool:
        nonlocal said
        said += capsys.readouterr().err
        return said.count("child ended with 3: no such luck; restart in") == 3

    supervisor.watch(within(30, third_death))
    supervisor.stop()
    assert [f"restart in {delay} s" in said for delay in ("0.5", "1", "2")] == [True] * 3


def test_stopping_ends_what_a_child_had_started(directory: Path, tmp_path: Path) -> None:
    mark = tmp_path / "grandchild"
    supervisor = ProcessSupervisor(lambda notes: None)
    supervisor.start(program(directory, CHILD, str(mark)))
    supervisor.watch(within(20, lambda: mark.exists() and mark.read_text() != ""))
    grandchild = int(mark.read_text())
    supervisor.stop()
    deadline = time.monotonic() + 10
    while psutil.pid_exists(grandchild) and time.monotonic() < deadline:
        if psutil.Process(grandchild).status() == psutil.STATUS_ZOMBIE:
            return  # ended; nobody has fetched its exit code yet
        time.sleep(0.01)
    assert not psutil.pid_exists(grandchild)


def test_children_are_stopped_in_reverse_order(directory: Path) -> None:
    order: list[str] = []

    class Noting(Program):
        def stop(self) -> None:
            order.append(self.name)
            Program.stop(self)

    supervisor = ProcessSupervisor(lambda notes: None)
    for name in ("database", "api", "worker"):
        command = [sys.executable, "-c", FOREVER]
        supervisor.start(Noting(name, command, {}, directory))
    supervisor.stop()
    assert order == ["worker", "api", "database"]


def test_a_child_that_never_answers_is_an_error_with_its_last_words(directory: Path) -> None:
    child = program(directory, "print('all is lost', flush=True); import time; time.sleep(1000)")
    child.answers, child.start_seconds = (lambda: False), 1.0
    supervisor = ProcessSupervisor(lambda notes: None)
    with pytest.raises(
        LaunchError, match="child did not answer within 1 s while starting: all is lost"
    ):
        supervisor.start(child)
    supervisor.stop()
    assert child.process is not None
    assert child.process.poll() is not None


def test_a_child_ends_with_its_launcher(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    launcher = f"""
import pathlib, sys, time
from netmorph.supervisor import Program, ProcessSupervisor
supervisor = ProcessSupervisor(lambda notes: print(notes[0]["pid"], flush=True))
command = [sys.executable, "-c", {FOREVER!r}]
supervisor.start(Program("child", command, {{}}, pathlib.Path(sys.argv[1])))
time.sleep(1000)
"""
    command = [sys.executable, "-P", "-c", launcher, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        child = psutil.Process(int(process.stdout.readline()))
        process.kill()
    psutil.wait_procs([child], timeout=20)
    assert not child.is_running()
