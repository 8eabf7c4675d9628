"""The supervisor restarts children with growing delays; stopping leaves no process."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from netmorph.errors import LaunchError
from netmorph.supervisor import Health, ProcessSupervisor, Program
from tests.netmorph.conftest import has_ended

SLEEP = "import time; time.sleep(1000)"
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

    def is_true_in_time() -> bool:
        assert time.monotonic() < deadline, "it did not happen in time"
        return condition()

    return is_true_in_time


def test_a_killed_child_is_started_again(
    directory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    child = program(directory, SLEEP)
    child.log.write_text("a line that says nothing about the end\n")
    reports: list[list[dict[str, object]]] = []
    supervisor = ProcessSupervisor(reports.append)
    supervisor.start(child)
    first = child.process
    assert first is not None
    first.kill()
    supervisor.watch(within(20, lambda: child.process is not first))
    assert child.process is not None
    assert child.process.poll() is None
    supervisor.stop()
    assert "child ended with SIGKILL; restart in 0.5 s" in capsys.readouterr().err
    assert [records[0]["pid"] for records in reports] == [first.pid, child.process.pid]


def test_programs_that_start_together_do_not_wait_for_each_other(directory: Path) -> None:
    """The first answers only once the second runs; both are watched afterwards."""
    sign = directory / "second-runs"
    write = f"import pathlib; pathlib.Path({str(sign)!r}).touch(); {SLEEP}"
    first = program(directory, SLEEP, name="first")
    second = program(directory, write, name="second")
    first.answers, first.start_seconds = sign.exists, 20.0
    reports: list[list[dict[str, object]]] = []
    supervisor = ProcessSupervisor(reports.append)

    supervisor.start_together([first, second])

    pids = [child.process.pid for child in (first, second) if child.process is not None]
    assert [record["pid"] for record in reports[-1]] == pids
    killed = second.process
    assert killed is not None
    killed.kill()
    supervisor.watch(within(20, lambda: second.process is not killed))
    supervisor.stop()
    assert all(has_ended(pid) for pid in pids)


def test_the_log_of_a_running_child_does_not_grow_without_end(directory: Path) -> None:
    child = program(directory, SLEEP)
    supervisor = ProcessSupervisor(lambda records: None)
    supervisor.start(child)
    with child.log.open("ab") as file:
        file.truncate(10_000_001)
    supervisor.watch(within(20, lambda: child.log.stat().st_size == 0))
    supervisor.stop()
    assert child.log.with_name("child.log.1").stat().st_size == 10_000_001


def test_a_child_that_keeps_dying_is_restarted_less_and_less_often(
    directory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    supervisor = ProcessSupervisor(lambda records: None)
    supervisor.start(program(directory, "print('no such luck'); raise SystemExit(3)"))
    output = ""

    def third_death() -> bool:
        nonlocal output
        output += capsys.readouterr().err
        return output.count("child ended with exit code 3: no such luck; restart in") == 3

    supervisor.watch(within(30, third_death))
    supervisor.stop()
    assert [f"restart in {delay} s" in output for delay in ("0.5", "1", "2")] == [True] * 3


def test_a_child_that_runs_without_answering_is_restarted(
    directory: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is stopped by SIGSTOP, so that it would handle no other signal."""
    for name, seconds in (("_CHECK", 0.1), ("_UNHEALTHY", 0.3), ("_STARTING", 0.2)):
        monkeypatch.setattr(f"netmorph.supervisor.{name}_SECONDS", seconds)
    child = program(directory, SLEEP)
    supervisor = ProcessSupervisor(lambda records: None)
    supervisor.start(child)
    first = child.process
    assert first is not None
    child.is_healthy = lambda: psutil.Process(child.process.pid).status() != psutil.STATUS_STOPPED
    first.send_signal(signal.SIGSTOP)

    supervisor.watch(within(20, lambda: child.process is not first))

    assert first.returncode == -signal.SIGTERM
    supervisor.stop()
    assert "child does not answer; it was ended, restart in 0.5 s" in capsys.readouterr().err


def test_a_child_is_ended_only_after_failing_every_check_for_long() -> None:
    health = Health(started=0.0)
    answers = {40: False, 50: True, 60: False, 70: False, 80: False}
    assert [health.has_failed(now, lambda now=now: answers[now]) for now in answers] == [
        False, False, False, False, True,
    ]  # fmt: skip
    health.count_death(80.0)
    health.started, health.restart_at = 81.0, None
    assert not health.has_failed(100.0, lambda: False)  # it starts
    assert not health.has_failed(120.0, lambda: False)


def test_the_delay_doubles_up_to_half_a_minute() -> None:
    health = Health(started=0.0)
    delays = [health.count_death(now=1.0) for _ in range(8)]
    assert delays == [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0]
    assert health.restart_at == 31.0


def test_after_a_minute_of_running_earlier_deaths_do_not_count() -> None:
    health = Health(started=0.0)
    for _ in range(5):
        health.count_death(now=1.0)
    health.started, health.restart_at = 100.0, None
    assert health.count_death(now=161.0) == 0.5


def test_failed_restarts_of_a_child_that_ran_well_are_delayed_more_and_more() -> None:
    health = Health(started=0.0)
    assert [health.count_death(now) for now in (100.0, 101.0, 200.0)] == [0.5, 1.0, 2.0]


def test_stopping_ends_the_children_of_a_child(directory: Path, tmp_path: Path) -> None:
    mark = tmp_path / "grandchild"
    supervisor = ProcessSupervisor(lambda records: None)
    supervisor.start(program(directory, CHILD, str(mark)))
    supervisor.watch(within(20, lambda: mark.exists() and mark.read_text() != ""))
    grandchild = int(mark.read_text())
    supervisor.stop()
    assert has_ended(grandchild)


def test_children_are_stopped_in_reverse_order(directory: Path) -> None:
    order: list[str] = []

    class RecordsStop(Program):
        def stop(self) -> None:
            order.append(self.name)
            Program.stop(self)

    supervisor = ProcessSupervisor(lambda records: None)
    for name in ("database", "api", "worker"):
        command = [sys.executable, "-c", SLEEP]
        supervisor.start(RecordsStop(name, command, {}, directory))
    supervisor.stop()
    assert order == ["worker", "api", "database"]


def test_a_child_that_never_answers_is_an_error_with_the_end_of_its_log(directory: Path) -> None:
    child = program(directory, "print('out of luck', flush=True); import time; time.sleep(1000)")
    child.answers, child.start_seconds = (lambda: False), 1.0
    supervisor = ProcessSupervisor(lambda records: None)
    with pytest.raises(
        LaunchError, match="child did not answer within 1 s while starting: out of luck"
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
supervisor = ProcessSupervisor(lambda records: print(records[0]["pid"], flush=True))
command = [sys.executable, "-c", {SLEEP!r}]
supervisor.start(Program("child", command, {{}}, pathlib.Path(sys.argv[1])))
time.sleep(1000)
"""
    command = [sys.executable, "-P", "-c", launcher, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        child = int(process.stdout.readline())
        process.kill()
    assert has_ended(child)
