"""Services started by the command line, and the console of the commands."""

import contextlib
import io
import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest
from rich.console import Console

from netmorph import die_with_parent
from netmorph.cli import app
from netmorph.commands.options import console
from tests.last_use import after_last_use
from tests.waiting import wait_for

NETMORPH = (sys.executable, "-P", "-m", "netmorph")


def _run(
    *arguments: object, cwd: Path | None = None, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run `netmorph ARGUMENT...` to its end."""
    return subprocess.run(
        [*NETMORPH, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        cwd=cwd,
        env=clean_environment() | environment,
    )


def _called(
    *arguments: object, cwd: Path | None = None, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run `netmorph ARGUMENT...` to its end in this process: the same, without its imports."""
    output, messages = io.StringIO(), io.StringIO()
    with (
        pytest.MonkeyPatch.context() as patch,
        contextlib.redirect_stdout(output),
        contextlib.redirect_stderr(messages),
    ):
        for name in os.environ.keys() - clean_environment().keys():
            patch.delenv(name)
        for name, value in environment.items():
            patch.setenv(name, value)
        if cwd is not None:
            patch.chdir(cwd)
        with pytest.raises(SystemExit) as ended:
            app([*map(str, arguments)], prog_name="netmorph")
    code = ended.value.code
    assert isinstance(code, int)
    return subprocess.CompletedProcess(arguments, code, output.getvalue(), messages.getvalue())


def clean_environment() -> dict[str, str]:
    """Our environment without the settings of a developer's shell."""
    return {k: v for k, v in os.environ.items() if not k.startswith("NETMORPH_")}


@dataclass
class Up:
    """A running `netmorph up`."""

    directory: Path
    process: subprocess.Popen[str]
    url: str = ""
    key: str = ""
    family: list[psutil.Process] = field(default_factory=list)

    def programs(self) -> list[psutil.Process]:
        """Its direct children, once each of them executes its program."""
        children = psutil.Process(self.process.pid).children()
        for child in children:
            wait_for(lambda child=child: _executes_its_program(child))
        return children

    def children(self) -> list[psutil.Process]:
        """All its current processes, remembered for `assert_gone`."""
        self.programs()
        now = psutil.Process(self.process.pid).children(recursive=True)
        self.family += now
        return now

    def child(self, word: str) -> psutil.Process:
        """The direct child with this word in its command."""
        (found,) = [
            process
            for process in self.programs()
            if word in process.cmdline() or word in process.name()
        ]
        return found

    def wait_for(self, text: str) -> None:
        """Wait until the launcher reports `text`; the time limit of the test bounds the wait."""
        assert self.process.stderr is not None
        lines = iter(self.process.stderr.readline, "")
        assert any(text in line for line in lines), "the launcher has ended"

    def assert_gone(self) -> None:
        """Check that none of the processes seen so far is running."""
        _, alive = psutil.wait_procs(self.family, timeout=20)
        assert alive == []


def _executes_its_program(process: psutil.Process) -> bool:
    """Whether a child of the launcher does more than to start.

    Before, its command is that of the wrapper, and for an instant it has none.
    """
    try:
        command = process.cmdline()
    except psutil.NoSuchProcess:
        return True
    return bool(command) and die_with_parent.__file__ not in command


@contextlib.contextmanager
def _up(directory: Path, *arguments: object, **environment: str) -> Iterator[Up]:
    """A service that answers; ended by SIGTERM at the end."""
    options = ["--data-dir", str(directory), "--port", "0", "--json", *map(str, arguments)]
    with subprocess.Popen(
        [*NETMORPH, "up", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=clean_environment() | environment,
    ) as process:
        service = Up(directory, process)
        try:
            assert process.stdout is not None
            assert process.stderr is not None
            line = process.stdout.readline()
            assert line, process.stderr.read()
            said = json.loads(line)
            service.url, service.key = said["url"], said["key"]
            service.children()
            yield service
        finally:
            process.terminate()
            process.communicate(timeout=60)


def has_ended(pid: int, seconds: float = 20.0) -> bool:
    """Whether a process ends within `seconds`, also if its parent never reads its exit code."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([handle], [], [], seconds)[0])
    finally:
        os.close(handle)


@pytest.fixture(scope="session")
def netmorph() -> Callable[..., subprocess.CompletedProcess[str]]:
    """The function that runs `netmorph ARGUMENT...` to its end."""
    return _run


@pytest.fixture(scope="session")
def called() -> Callable[..., subprocess.CompletedProcess[str]]:
    """The function that runs `netmorph ARGUMENT...` to its end, without a process of its own."""
    return _called


@pytest.fixture(scope="session")
def up() -> Callable[..., contextlib.AbstractContextManager[Up]]:
    """The function that runs `netmorph up` in a data directory for the length of a block."""
    return _up


@pytest.fixture
def directory() -> Iterator[Path]:
    """A data directory that does not exist yet, that every account can enter."""
    parent = Path(tempfile.mkdtemp(prefix="netmorph-test-"))
    parent.chmod(0o711)
    yield parent / "data"
    shutil.rmtree(parent)


@pytest.fixture(scope="session")
def service(request: pytest.FixtureRequest) -> Iterator[Up]:
    """One running service without workers, for tests that do not change it for others."""
    parent = Path(tempfile.mkdtemp(prefix="netmorph-test-"))
    parent.chmod(0o711)
    with contextlib.ExitStack() as stack:
        running = stack.enter_context(_up(parent / "data", "--workers", 0))
        after_last_use(request, Path(__file__).parent, stack.close)
        yield running
    running.assert_gone()
    shutil.rmtree(parent)


@pytest.fixture
def out() -> Console:
    """The console of the commands, 40 columns wide, writing to memory."""
    made = console()
    made.file, made.width = io.StringIO(), 40
    return made


@pytest.fixture(scope="module")
def data_dir(up) -> Iterator[Path]:
    """The data directory of a service with one worker."""
    parent = Path(tempfile.mkdtemp(prefix="netmorph-test-"))
    parent.chmod(0o711)
    with up(parent / "data", "--workers", 1):
        yield parent / "data"
    shutil.rmtree(parent)
