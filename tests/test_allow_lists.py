"""The allow-lists of the checks name only what is there."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TOOLS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]


def code() -> str:
    """The text of all modules that are checked for dead code."""
    rooms = TOOLS["vulture"]["paths"]
    return "\n".join(path.read_text() for room in rooms for path in (ROOT / room).rglob("*.py"))


def test_each_name_that_may_look_unused_is_in_the_code():
    words = set(re.findall(r"\w+", code()))
    gone = set(TOOLS["vulture"]["ignore_names"]) - words
    assert not gone, "remove them from tool.vulture.ignore_names"


@pytest.mark.parametrize("line", (ROOT / "docs" / "british.txt").read_text().splitlines())
def test_a_spelling_has_one_replacement_that_differs(line):
    found, replacement = line.split("->")
    assert found != replacement
    assert replacement.isalpha()


def test_spellings_are_listed_once_and_in_order():
    words = [line.split("->")[0] for line in (ROOT / "docs" / "british.txt").read_text().split()]
    assert words == sorted(set(words))
