"""Files of evaluated networks: JSON lines, plain or gzip. `docs/benchmarks.md` has the format."""

import gzip
import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.errors import InvalidInput
from core.graph.architecture import Architecture

LONGEST = 4_000_000  # bytes of one line
LARGEST = 1e100  # value, so that its square is finite
_GZIP = b"\x1f\x8b"


class WrongTable(InvalidInput):
    """A file is not a table; the message names the line."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One line: a network and its value."""

    architecture: Architecture
    value: float  # larger is better
    repeats: tuple[float, ...] = ()  # of the same network, trained again
    neighbours: tuple[int, ...] | None = None  # indices in the table, from 0


def read(path: Path) -> list[Entry]:
    """All entries of a file; raises WrongTable for the first wrong line."""
    entries: list[Entry] = []
    try:
        for number, line in enumerate(_lines(path), 1):
            if line.strip():
                entries.append(_entry(line, number))
            else:
                raise WrongTable(f"line {number} is empty; expected a JSON object")
    except OSError as error:
        raise WrongTable(f"{path} cannot be read: {error}") from None
    if not entries:
        raise WrongTable(f"{path} has no lines; expected one network a line")
    return _linked(entries)


def _lines(path: Path) -> Iterator[str]:
    with path.open("rb") as file:
        is_gzip = file.read(2) == _GZIP
    with gzip.open(path, "rb") if is_gzip else path.open("rb") as file:
        number = 1
        try:
            while line := file.readline(LONGEST + 1):
                if len(line) > LONGEST:
                    raise WrongTable(f"line {number} is longer than {LONGEST} bytes")
                yield line.decode()
                number += 1
        except (EOFError, gzip.BadGzipFile, zlib.error, UnicodeDecodeError) as error:
            raise WrongTable(f"line {number} cannot be read: {error}") from None


def _entry(line: str, number: int) -> Entry:
    try:
        data = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise WrongTable(f"line {number} is not JSON: {error}") from None
    if not isinstance(data, dict) or not {"architecture", "value"} <= set(data):
        raise WrongTable(f"line {number} needs 'architecture' and 'value'; found {_short(data)}")
    try:
        architecture = Architecture.from_json(data["architecture"])
    except InvalidInput as error:
        raise WrongTable(f"line {number} has no architecture: {error}") from None
    repeats = data.get("repeats", [])
    if not isinstance(repeats, list):
        raise WrongTable(f"line {number} has repeats {_short(repeats)}; expected a list of numbers")
    neighbours = data.get("neighbours")
    return Entry(
        architecture,
        _number(data["value"], "value", number),
        tuple(_number(one, "a repeat", number) for one in repeats),
        None if neighbours is None else _neighbour_numbers(neighbours, number),
    )


def _number(value: Any, what: str, line: int) -> float:
    is_number = type(value) in (int, float) and -LARGEST <= value <= LARGEST
    if not is_number:
        raise WrongTable(f"line {line} has {what} {_short(value)}; expected a finite number")
    return float(value)


def _neighbour_numbers(value: Any, line: int) -> tuple[int, ...]:
    if not isinstance(value, list) or not all(type(one) is int and one >= 0 for one in value):
        raise WrongTable(
            f"line {line} has neighbours {_short(value)}; expected a list of line numbers"
        )
    return tuple(value)


def _linked(entries: list[Entry]) -> list[Entry]:
    """The entries with neighbours as indices from 0.

    Line numbers in the file count from 0 if any line names line 0, else from 1. A line that names
    itself is not its own neighbour; a line that is named twice counts once.
    """
    first = 0 if any(0 in (entry.neighbours or ()) for entry in entries) else 1
    linked = []
    for number, entry in enumerate(entries, 1):
        indices = None
        if entry.neighbours is not None:
            named = dict.fromkeys(one - first for one in entry.neighbours)
            indices = tuple(index for index in named if index != number - 1)
            if any(index >= len(entries) for index in named):
                raise WrongTable(
                    f"line {number} has neighbour {max(entry.neighbours)}; "
                    f"expected {first} to {len(entries) - 1 + first}"
                )
        linked.append(Entry(entry.architecture, entry.value, entry.repeats, indices))
    return linked


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
