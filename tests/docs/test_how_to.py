"""The how-to pages work: their code, added to a copy of the rooms, passes the conformance tests."""

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from core.similarity.assignment import least_cost

ROOT = Path(__file__).parents[2]
HOW_TO = ROOT / "docs" / "how-to"
COPIED = ("benchmarks", "core", "worker", "netmorph", "tests", "pyproject.toml")
BLOCK = re.compile(
    r'^```python title="(?P<title>[^"]+)"(?: (?P<where>before|after)="(?P<line>[^"]+)")?\n'
    r"(?P<code>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
COMMAND = re.compile(r"^\.venv/bin/python -m (?P<arguments>pytest .*?[^\\])$", re.MULTILINE | re.S)


@dataclass(frozen=True, slots=True)
class Block:
    """A code block of a page: a new file, or lines to be added to a file that is there."""

    title: str  # path of the file
    code: str
    where: str | None  # "before", "after"; None: a new file
    line: str | None  # the beginning of the line before or after which the code is added

    def write(self, root: Path) -> None:
        """Do with the files under `root` what the page says."""
        path = root / self.title
        if self.line is None:
            assert not path.exists(), f"{self.title} is there already; the page needs another name"
            path.write_text(self.code)
            return
        lines = path.read_text().splitlines(keepends=True)
        places = [i for i, line in enumerate(lines) if line.startswith(self.line)]
        assert places, f"{self.title} has no line that begins with {self.line!r}: update the page"
        place = places[0] + (self.where == "after")
        path.write_text("".join([*lines[:place], self.code, *lines[place:]]))


def blocks_of(page: Path) -> list[Block]:
    found = [Block(m["title"], m["code"], m["where"], m["line"]) for m in _matches(page)]
    assert found, f"{page.name} has no code blocks with a title"
    return found


def _matches(page: Path) -> list[re.Match[str]]:
    return list(BLOCK.finditer(page.read_text()))


def command_of(page: Path) -> list[str]:
    """The arguments of the page's one pytest command."""
    (match,) = COMMAND.finditer(page.read_text())
    return [part.strip('"') for part in match["arguments"].replace("\\\n", " ").split()]


def copy_of_the_rooms(folder: Path) -> Path:
    """With what is compiled already: Python and numba use it for a source that has not changed."""
    skipped = shutil.ignore_patterns("*.pyc.*", "benchmarks", "e2e", "docs", "api")  # being written
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=skipped)
        else:
            shutil.copy(source, folder)
    if (functions := Path(least_cost.stats.cache_path)).is_dir():
        compiled = folder / "core" / "similarity" / "__pycache__"
        shutil.copytree(functions, compiled, dirs_exist_ok=True)
    return folder


def run(arguments: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": str(folder)}
    environment.pop("NUMBA_CACHE_DIR", None)  # numba looks beside the copied sources
    return subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def rooms(tmp_path: Path) -> Path:
    """A copy of the rooms."""
    return copy_of_the_rooms(tmp_path)


@pytest.mark.timeout(900)  # a few seconds of work, but minutes on a machine that others use
@pytest.mark.parametrize(
    ("name", "least"), [("add-a-layer", 16), ("add-a-strategy", 30), ("add-a-task-type", 8)]
)
def test_what_a_page_adds_passes_the_conformance_tests(name, least, rooms):
    page = HOW_TO / f"{name}.md"
    for block in blocks_of(page):
        block.write(rooms)

    done = run([*command_of(page), "-q", "-p", "no:cacheprovider"], rooms)

    assert done.returncode == 0, f"{page.name}:\n{done.stdout[-6000:]}{done.stderr[-2000:]}"
    passed = re.search(r"(\d+) passed", done.stdout)
    assert passed, done.stdout
    assert int(passed[1]) >= least, f"the command of {page.name} ran {passed[0]} tests only"


@pytest.mark.parametrize("page", sorted(HOW_TO.glob("add-*.md")), ids=lambda page: page.stem)
def test_the_code_of_a_page_is_formatted_and_linted(page, tmp_path):
    rooms = copy_of_the_rooms(tmp_path)
    new = [block for block in blocks_of(page) if block.line is None]
    for block in new:
        block.write(rooms)
    paths = [block.title for block in new]
    for command in (["ruff", "format", "--check", *paths], ["ruff", "check", *paths]):
        done = run(command, rooms)
        assert done.returncode == 0, done.stdout + done.stderr
