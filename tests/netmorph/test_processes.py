"""Child processes: their logs, their groups, and how they end."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from netmorph import processes
from netmorph.errors import LaunchError
from tests.netmorph.conftest import has_ended

SLEEP = "import time; time.sleep(1000)"
IGNORE_TERM = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
READY = "print('ready', flush=True); "
WITH_CHILD = f"""
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", {SLEEP!r}])
print(child.pid, flush=True)
"""


@contextmanager
def python(folder: Path, code: str, **options: object) -> Iterator[subprocess.Popen[bytes]]:
    """A child process that runs the code; its log is `folder`/child.log."""
    options = {"log": folder / "child.log", "cwd": folder} | options
    process = processes.start([sys.executable, "-c", code], **options)  # type: ignore[arg-type]
    try:
        yield process
    finally:
        processes.kill_group(process.pid)
        process.wait()
        if process.stdin:
            process.stdin.close()


def has_written(folder: Path, process: subprocess.Popen[bytes]) -> None:
    """Wait until a child has written its first line."""
    log = folder / "child.log"
    processes.wait(process, log, lambda: "\n" in log.read_text())


def test_output_is_appended_to_the_log(tmp_path: Path) -> None:
    for word in ("one", "two"):
        with python(tmp_path, f"print('{word}')") as process:
            assert process.wait() == 0
    assert (tmp_path / "child.log").read_text() == "one\ntwo\n"


def test_a_large_log_is_renamed_before_a_start(tmp_path: Path) -> None:
    log = tmp_path / "child.log"
    with log.open("wb") as file:
        file.truncate(10_000_001)
    with python(tmp_path, "print('new')") as process:
        process.wait()
    assert log.read_text() == "new\n"
    assert (tmp_path / "child.log.1").stat().st_size == 10_000_001


def test_a_child_gets_only_the_environment_that_is_given(tmp_path: Path) -> None:
    code = "import os; print(sorted(k for k in os.environ if k in ('A', 'HOME')))"
    with python(tmp_path, code, environment={"A": "1"}) as process:
        process.wait()
    assert (tmp_path / "child.log").read_text() == "['A']\n"


def test_a_log_that_grows_large_is_moved_aside_while_its_process_writes(tmp_path: Path) -> None:
    log = tmp_path / "child.log"
    code = f"import sys; {READY}sys.stdin.read(1); print('more')"
    with python(tmp_path, code, stdin=subprocess.PIPE) as process:
        has_written(tmp_path, process)
        processes.shorten(log)
        assert log.read_text() == "ready\n"
        with log.open("ab") as file:
            file.truncate(10_000_001)
        processes.shorten(log)
        assert log.stat().st_size == 0
        process.communicate(b"x")
    assert log.read_text() == "more\n"
    assert (tmp_path / "child.log.1").read_bytes().startswith(b"ready\n")
    assert (tmp_path / "child.log.1").stat().st_size == 10_000_001


def test_a_program_that_does_not_exist_is_named_in_the_log(tmp_path: Path) -> None:
    log = tmp_path / "child.log"
    process = processes.start(["/no/such/program"], log=log, cwd=tmp_path)
    assert process.wait() == 1
    assert processes.exit_summary(log) == (
        "cannot execute /no/such/program: No such file or directory"
    )


def test_waiting_for_a_child_that_ends_is_an_error_with_the_end_of_its_log(tmp_path: Path) -> None:
    message = r"child ended while starting: two \| three; see .*child\.log"
    with (
        python(tmp_path, "print('one\\n two\\nthree')") as process,
        pytest.raises(LaunchError, match=message),
    ):
        processes.wait(process, tmp_path / "child.log", lambda: False)


def test_waiting_for_a_silent_child_is_an_error_and_stops_it(tmp_path: Path) -> None:
    with python(tmp_path, SLEEP) as process:
        with pytest.raises(
            LaunchError,
            match=r"child did not answer within 0\.1 s while starting; see .*child\.log",
        ):
            processes.wait(process, tmp_path / "child.log", lambda: False, seconds=0.1)
        assert process.poll() == -signal.SIGTERM


def test_stopping_kills_a_child_that_ignores_the_signal(tmp_path: Path) -> None:
    with python(tmp_path, IGNORE_TERM + READY + SLEEP) as process:
        has_written(tmp_path, process)
        processes.stop(process, how=signal.SIGTERM, grace=0.1)
        assert process.poll() == -signal.SIGKILL


def test_stopping_does_not_need_the_lock_of_the_child(tmp_path: Path) -> None:
    """A signal that is raised as an exception inside `poll` may have left it locked."""
    with python(tmp_path, SLEEP) as process, process._waitpid_lock:  # type: ignore[attr-defined]
        processes.stop(process, how=signal.SIGTERM, grace=0.1)
        assert has_ended(process.pid)


def test_stopping_ends_the_children_of_a_child_that_has_ended(tmp_path: Path) -> None:
    with python(tmp_path, WITH_CHILD) as process:
        process.wait()
        grandchild = int((tmp_path / "child.log").read_text())
        processes.stop(process, how=signal.SIGTERM, grace=1)
        assert has_ended(grandchild)


def test_processes_are_found_by_program_and_folder_the_oldest_first(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    folders = (tmp_path, tmp_path, tmp_path / "other")
    started = []
    try:
        for folder in folders:
            log = tmp_path / "sleep.log"
            started.append(processes.start(["/bin/sleep", "1000"], log=log, cwd=folder))
            processes.wait(started[-1], log, lambda: _name(started[-1].pid) == "sleep")
        found = [process.pid for process in processes.running_in(tmp_path, "sleep")]
        assert found == [started[0].pid, started[1].pid]
        assert processes.running_in(tmp_path, "postgres") == []
    finally:
        for process in started:
            processes.stop(process, how=signal.SIGKILL, grace=1)


def _name(pid: int) -> str:
    return psutil.Process(pid).name()


@pytest.mark.parametrize("code", [READY + SLEEP, IGNORE_TERM + READY + SLEEP])
def test_leftovers_end_by_the_signal_or_are_killed(tmp_path: Path, code: str) -> None:
    with python(tmp_path, code) as process:
        has_written(tmp_path, process)
        leftover = psutil.Process(process.pid)
        processes.end([leftover], how=signal.SIGTERM, grace=0.5)
        assert not leftover.is_running()


def test_a_leftover_that_has_ended_already_is_no_error(tmp_path: Path) -> None:
    with python(tmp_path, SLEEP) as process:
        leftover = psutil.Process(process.pid)
        processes.stop(process, how=signal.SIGKILL, grace=1)
        processes.end([leftover], how=signal.SIGTERM, grace=0.5)


def test_a_child_outlives_its_parent_without_a_death_signal(tmp_path: Path) -> None:
    parent = f"""
import pathlib, sys
from netmorph import processes
folder = pathlib.Path(sys.argv[1])
command = [sys.executable, "-c", {SLEEP!r}]
child = processes.start(command, log=folder / "child.log", cwd=folder, death_signal=None)
print(child.pid)
"""
    command = [sys.executable, "-P", "-c", parent, str(tmp_path)]
    ended = subprocess.run(command, capture_output=True, text=True, check=True)
    child = psutil.Process(int(ended.stdout))
    assert child.is_running()
    processes.end([child], how=signal.SIGKILL, grace=20)
    assert not child.is_running()


def test_the_summary_of_a_missing_log_is_empty(tmp_path: Path) -> None:
    assert processes.exit_summary(tmp_path / "none.log") == ""
