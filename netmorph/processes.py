"""Child processes of the launcher: start them, wait for them, stop them, end left-over ones."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import psutil

from netmorph import die_with_parent
from netmorph.accounts import Account
from netmorph.errors import LaunchError

_REAP_SECONDS = 1.0  # a killed process ends at once
_LOG_BYTES = 10_000_000  # a log larger than this is moved aside, in place of an earlier one


def start(
    command: Sequence[str],
    *,
    log: Path,
    cwd: Path,
    environment: Mapping[str, str] | None = None,
    account: Account | None = None,
    death_signal: signal.Signals | None = signal.SIGTERM,
    stdin: int = subprocess.DEVNULL,
    descriptors: Sequence[int] = (),
) -> subprocess.Popen[bytes]:
    """Start `command` in its own process group, with its output appended to `log`.

    The kernel sends it `death_signal` (None: no signal) when the calling thread ends. It inherits
    the open file `descriptors`.
    """
    switch = account is not None and account.uid != os.geteuid()
    identity = (account.uid, account.gid) if switch and account else (-1, -1)
    wrapper = [sys.executable, "-I", "-S", str(Path(die_with_parent.__file__))]
    _rotate(log)
    with log.open("ab") as output:
        return subprocess.Popen(
            [*wrapper, *map(str, (int(death_signal or 0), os.getpid(), *identity)), *command],
            stdin=stdin,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=cwd,
            env=None if environment is None else dict(environment),
            process_group=0,
            pass_fds=descriptors,
        )


def wait(
    process: subprocess.Popen[bytes], log: Path, answers: Callable[[], bool], seconds: float = 60.0
) -> None:
    """Return when `process` answers.

    Raises:
        LaunchError: it ended, or did not answer within `seconds` and was stopped.
    """
    deadline = time.monotonic() + seconds
    while process.poll() is None and time.monotonic() < deadline:
        if answers():
            return
        time.sleep(0.02)
    fault = "ended" if process.poll() is not None else f"did not answer within {seconds:g} s"
    stop(process, how=signal.SIGTERM, grace=1)
    summary = exit_summary(log)
    reason = f": {summary}" if summary else ""
    raise LaunchError(f"{log.stem} {fault} while starting{reason}; see {log}")


def stop(process: subprocess.Popen[bytes], *, how: signal.Signals, grace: float) -> None:
    """End `process` by the signal `how`; after `grace` seconds, end its group by SIGKILL."""
    if process.poll() is None:
        process.send_signal(how)
        process.send_signal(signal.SIGCONT)  # a stopped process handles no other signal
        try:
            process.wait(grace)
        except subprocess.TimeoutExpired:
            kill_group(process.pid)
            _reap(process)
    kill_group(process.pid)  # children that it may have left


def _reap(process: subprocess.Popen[bytes]) -> None:
    """Wait for a killed child.

    Its own `wait` takes a lock. A signal that is raised as an exception while `poll` takes that
    lock leaves it locked, and then `wait` without a limit would never return.
    """
    try:
        process.wait(_REAP_SECONDS)
    except subprocess.TimeoutExpired:
        with contextlib.suppress(psutil.NoSuchProcess):
            psutil.Process(process.pid).wait()


def kill_group(leader: int) -> None:
    """Send SIGKILL to every process in the group of `leader`."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, signal.SIGKILL)


def running_in(directory: Path, program: str) -> list[psutil.Process]:
    """The processes of `program` whose working directory is `directory`, oldest first."""
    found = []
    for process in psutil.process_iter(["name"]):
        with contextlib.suppress(psutil.Error, OSError):
            if process.info["name"] == program and process.cwd() == str(directory):
                found.append(process)
    return sorted(found, key=lambda process: process.create_time())


def end(leftovers: Iterable[psutil.Process], *, how: signal.Signals, grace: float) -> None:
    """End processes that are not children of ours: by `how`, after `grace` seconds by SIGKILL."""
    waiting = list(leftovers)
    for process in waiting:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.send_signal(how)
    _, alive = psutil.wait_procs(waiting, timeout=grace)
    for process in alive:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(alive, timeout=grace)


def _rotate(log: Path) -> None:
    with contextlib.suppress(FileNotFoundError):
        if log.stat().st_size > _LOG_BYTES:
            log.replace(log.with_name(f"{log.name}.1"))


def shorten(log: Path) -> None:
    """Move what a running process has written aside if it is long; the process goes on writing.

    Output is appended, so it goes on at the beginning of the emptied file; lines written in between
    are lost. Where the disk is full the log stays as it is, for a later call.
    """
    with contextlib.suppress(OSError):
        if log.stat().st_size > _LOG_BYTES:
            shutil.copyfile(log, log.with_name(f"{log.name}.1"))
            os.truncate(log, 0)


def exit_summary(log: Path, lines: int = 2) -> str:
    """The last lines of a log on one line, for an error message; empty without a log."""
    with contextlib.suppress(FileNotFoundError):
        text = log.read_text(errors="replace").strip().splitlines()
        return " | ".join(line.strip() for line in text[-lines:])
    return ""
