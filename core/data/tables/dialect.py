"""How a text file of a table is written: its encoding, its separator, the names of its columns."""

import codecs
import csv
import io
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import BinaryIO

from core.data.tables.cells import BLANKS, NUMBER, shown
from core.data.tables.table import MAX_COLUMNS
from core.data.tables.title_lines import Row, about_title
from core.errors import InvalidDataset

START = 2**20  # bytes by which the separator is recognised
_BLOCK = 2**20
_SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "vertical bars"}
_RECORDS = 50  # that must have the same number of columns
_LONGEST_NAME = 128
_LISTED = 40  # names in messages

Open = Callable[[], BinaryIO]


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a text file is written."""

    encoding: str
    separator: str
    names: tuple[str, ...]  # of the columns
    says_separator: bool = False  # in a first row `sep=;`, as for Excel

    @property
    def in_words(self) -> str:
        """What separates the columns: "commas"."""
        return _SEPARATORS[self.separator]

    @property
    def notes(self) -> tuple[str, ...]:
        """What is unusual about the file."""
        found = []
        if self.encoding == "cp1252":
            found.append("the file is not UTF-8: read as Windows-1252")
        if self.separator != ",":
            found.append(f"columns are separated by {self.in_words}")
        return tuple(found)


def dialect_of(open_file: Open) -> Dialect:
    """The dialect of a file; raises InvalidDataset where it has no header of a table."""
    encoding = _encoding(open_file)
    with open_file() as stream:
        start = stream.read(START)
    text = codecs.getincrementaldecoder(encoding)("replace").decode(start).removeprefix("\ufeff")
    text, given = _without_separator_row(text)
    separator, header = _separator(text, given or _SEPARATORS, 2 if given else 1)
    return Dialect(encoding, separator, names_of(header), bool(given))


def is_text(start: bytes) -> bool:
    """Whether a file that begins with these bytes may hold text."""
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return True
    return bool(re.search(rb"[\r\n,;\t|]", start)) and not re.search(
        rb"[\x00-\x08\x0e-\x1f]", start
    )


def is_json(start: bytes) -> bool:
    """Whether a text that begins with these bytes is an object or a list of JSON."""
    return bool(re.match(rb"(\xef\xbb\xbf)?\s*(\{\s*[\"}]|\[\s*[{\[\]])", start))


# --- encoding ---------------------------------------------------------------------------------


def _encoding(open_file: Open) -> str:
    """UTF-8, UTF-16 with its mark, or Windows-1252."""
    with open_file() as stream:
        start = stream.read(4)
    if start in (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE):
        raise InvalidDataset("the file is UTF-32 text; expected UTF-8: save it with this encoding")
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    for encoding in ("utf-8", "cp1252"):
        if _can_decode(open_file, encoding):
            return encoding
    raise InvalidDataset(
        "the file is neither UTF-8 nor Windows-1252 text; expected a CSV file in UTF-8: save it "
        "with this encoding"
    )


def _can_decode(open_file: Open, encoding: str) -> bool:
    decoder = codecs.getincrementaldecoder(encoding)()
    with open_file() as stream:
        try:
            while block := stream.read(_BLOCK):
                decoder.decode(block)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            return False
    return True


# --- separator --------------------------------------------------------------------------------


def _without_separator_row(text: str) -> tuple[str, str]:
    """(the text without a first row as `sep=;`, the separator that it names)"""
    found = re.match(r"\"?sep=([,;\t|])\"?[ \t]*(\r\n|\n|\r)", text, re.IGNORECASE)
    return (text, "") if found is None else (text[found.end() :], found[1])


def _separator(text: str, separators: Iterable[str], first_line: int) -> tuple[str, Sequence[str]]:
    """(the separator, one of these, the cells of the first row)

    Raises InvalidDataset where there are titles above it, or no columns.
    """
    lines = {separator: _records(text, separator, first_line) for separator in separators}
    found = {separator: [one.cells for one in lines[separator]] for separator in lines}
    if title := about_title([*lines.values()]):
        raise InvalidDataset(title)
    best = max(found, key=lambda separator: _fit(found[separator]))
    records = found[best]
    if not records:
        raise InvalidDataset(
            "the file is empty; expected a row with the names of the columns, and rows of values"
        )
    if len(records[0]) == 1:
        raise InvalidDataset(
            f"found one column, {shown(records[0][0])}; expected columns separated by commas, "
            "semicolons, tabs or vertical bars, and their names in the first row: remove lines "
            "before it"
        )
    return best, records[0]


def _records(text: str, separator: str, first_line: int) -> list[Row]:
    """The first rows of a text; blank lines are left out."""
    found: list[Row] = []
    line = first_line
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    try:
        for cells in reader:
            found += [Row(line, cells)] if cells else []
            line = first_line + reader.line_num
            if len(found) == _RECORDS:
                break
    except csv.Error:
        return found
    return found


def _fit(records: Sequence[Sequence[str]]) -> tuple[bool, int]:
    """How well a separator fits: whether all rows have several columns, and how many."""
    if not records:
        return False, 0
    columns = len(records[0])
    return columns > 1 and all(len(one) == columns for one in records[1:-1]), columns


# --- names ------------------------------------------------------------------------------------


def names_of(header: Sequence[str]) -> tuple[str, ...]:
    """The names of columns, without blanks around them; one without a name is named by position.

    Raises InvalidDataset where they are no names, or not all different.
    """
    if len(header) > MAX_COLUMNS:
        raise InvalidDataset(f"found {len(header):,} columns; expected at most {MAX_COLUMNS:,}")
    names = tuple(
        name.strip(BLANKS) or f"column {position}" for position, name in enumerate(header, 1)
    )
    if _are_numbers(names):
        raise InvalidDataset(
            f"the first row holds numbers ({listed(names[:4])}), not the names of columns; "
            "expected a row of names first: add one"
        )
    for name in names:
        if len(name) > _LONGEST_NAME or not name.isprintable():
            raise InvalidDataset(
                f"a column has the name {shown(name)}; expected at most {_LONGEST_NAME} printable "
                "characters: rename it, or add a first row of names if it has none"
            )
    if repeated := sorted({name for name in names if names.count(name) > 1}):
        raise InvalidDataset(
            f"columns have the same name: {listed(repeated)}; expected different names in the "
            "first row: rename them, or add a row of names if there is none"
        )
    return names


def listed(names: Sequence[str]) -> str:
    """Names for messages: quoted and not too many."""
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return ", ".join(shown(name) for name in names[:_LISTED]) + more


def _are_numbers(names: Sequence[str]) -> bool:
    """Whether the first row holds values; 0, 1, 2, … are names that pandas gives."""
    numbers = [name for name in names if re.fullmatch(NUMBER, name)]
    first = int(numbers[0][:9]) if numbers and numbers[0].isdecimal() else 0
    is_count = numbers == [str(first + k) for k in range(len(numbers))]
    return 2 * len(numbers) >= len(names) and not is_count
