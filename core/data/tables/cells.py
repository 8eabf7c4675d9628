"""What the cells of a column are: numbers, dates or texts.

A cell without a value is empty or has one of the usual marks, such as NA. `predict.py` of an export
reads cells by the same rules.
"""

import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from core.data.tables.table import Column, Numbers, Texts
from core.errors import InvalidDataset

BLANKS = " \t\n\v\f\r"  # left out around cells
#: Texts that mean that there is no value, as written by pandas, R, spreadsheets and databases.
MISSING = (
    "", "#N/A", "#N/A N/A", "#NA", "-NaN", "-nan", "<NA>", "?", "N/A", "NA", "NULL", "NaN", "NaT",
    "None", "n/a", "nan", "null",
)  # fmt: skip
NUMBER = r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?"
DECIMAL_COMMA = r"([+-]?[0-9]*),([0-9]+([eE][+-]?[0-9]+)?)"
#: A day or a time, in UTC where no zone is given, as pandas and databases write it, up to
#: nanoseconds.
DATE = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
    r"([T ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,9})?)?(Z|[+-][0-9]{2}(:?[0-9]{2})?)?)?"
)
_DAY = 86_400.0  # seconds
_FIRST_DAY, _LAST_DAY = -719_162, 2_932_896  # of the years 1 and 9999, since 1970
_MICROSECONDS = 1e6  # in a second
_NUMBERS = 0.95  # of the cells with a value: then the others count as missing
_SHOWN = 40  # characters of a cell in messages
_FIRST = 1_000  # cells that are looked at before all are
#: Whole numbers as people write large ones, and those that need no mark between thousands.
_GROUPED = r"[+-]?[1-9][0-9]{0,2}([.,][0-9]{3})"
_UNGROUPED = r"[+-]?[0-9]{1,3}"
_HUNDREDS = r"^[+-]?[1-9][0-9]{2}$"
_FEWEST_GROUPED = 5  # cells
_REMEDY = "leave it out by --leave-out COLUMN (leave_out in REST and Python), or convert it"
_WITH_FILES = (
    "it holds files, as Hugging Face writes them; of images, load the table with datasets and give "
    "the folder that save_to_disk writes, or give the images as files"
)


def column_of(
    cells: pa.ChunkedArray, name: str, decimal_comma: bool = False, *, as_texts: bool = False
) -> Column:
    """The column in these cells; `as_texts`: whatever they look like.

    Raises InvalidDataset for types that are no numbers, dates or texts.
    """
    kind = cells.type
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        if as_texts:
            return _Coded.of(cells).texts
        found: Column | None = _plain_numbers(cells, name)
        if found is None:
            found = _understood(_Coded.of(cells), name, decimal_comma)
        if isinstance(found, Numbers) and not found.is_date:
            return _doubted(found, cells, name)
        return found
    if pa.types.is_dictionary(kind) or pa.types.is_boolean(kind) or as_texts:
        return _Coded.of(_as_strings(cells, name)).texts
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        values = cells.cast(pa.float64(), safe=False).to_numpy().astype(np.float64)
        return Numbers(np.where(np.isinf(values), np.nan, values), warning=_infinite(values, name))
    if pa.types.is_date(kind) or pa.types.is_timestamp(kind):
        return _dates(cells, name)
    if pa.types.is_null(kind):
        return Numbers(np.full(len(cells), np.nan))
    holds_files = pa.types.is_struct(kind) and {"bytes", "path"} == {one.name for one in kind}
    remedy = _WITH_FILES if holds_files else _REMEDY
    raise InvalidDataset(
        f"column {shown(name)} is of type {kind}; expected numbers, texts, truth values or dates: "
        f"{remedy}"
    )


def missing_marks(cells: pa.ChunkedArray, least: int) -> list[str]:
    """The texts, but for empty ones, by which `least` cells or more say that they have no value."""
    if not (pa.types.is_string(cells.type) or pa.types.is_large_string(cells.type)):
        return []
    counts = pc.ascii_trim(cells, BLANKS).value_counts()
    found = dict(zip(counts.field("values").to_pylist(), counts.field("counts"), strict=True))
    return [text for text in MISSING if text and text in found and found[text].as_py() >= least]


def shown(text: str) -> str:
    """A text of the file for messages: quoted, short, with escapes for everything invisible."""
    return repr(text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…")


def _dates(cells: pa.ChunkedArray, name: str) -> Numbers:
    """Dates as days since 1970; those that no calendar has are missing."""
    days, is_wrong = _days_of(cells)
    count = int(is_wrong.sum())
    warning = (
        f"dates of column {shown(name)} beyond the years 1 to 9999 count as missing: {count:,}"
    )
    return Numbers(np.where(is_wrong, np.nan, days), True, warning * bool(count))


def _days_of(cells: pa.ChunkedArray) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """(the days since 1970 of dates, which of them no calendar has)"""
    since = cells.cast(pa.timestamp("us"), safe=False).cast(pa.int64())
    days = since.cast(pa.float64(), safe=False).to_numpy() / _MICROSECONDS / _DAY
    return days, (days < _FIRST_DAY) | (days >= _LAST_DAY + 1)


def _as_strings(cells: pa.ChunkedArray, name: str) -> pa.ChunkedArray:
    if pa.types.is_date(cells.type) or pa.types.is_timestamp(cells.type):
        return _dates_as_strings(cells)
    try:
        return cells.cast(pa.string())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowTypeError):
        raise InvalidDataset(
            f"column {shown(name)} is of type {cells.type}, which cannot be read as text; expected "
            "numbers, texts, truth values or dates"
        ) from None


def _dates_as_strings(cells: pa.ChunkedArray) -> pa.ChunkedArray:
    """Dates, and times in UTC without a fraction of zero, as `predict.py` writes them."""
    cells = pc.if_else(pa.array(~_days_of(cells)[1]), cells, None)
    if pa.types.is_date(cells.type):
        return cells.cast(pa.string())
    times = cells.cast(pa.timestamp("us"), safe=False).cast(pa.string())
    return pc.replace_substring_regex(times, r"\.000000$", "")


@dataclass(frozen=True, slots=True)
class _Coded:
    """The texts of a column as indices into those that occur, which stay in Arrow's memory."""

    codes: NDArray[np.int64]
    known: pa.StringArray

    @classmethod
    def of(cls, cells: pa.ChunkedArray) -> Self:
        """The texts without blanks around them; marks of missing values become so."""
        encoded = cells.dictionary_encode().combine_chunks()
        trimmed = pc.ascii_trim(encoded.dictionary, BLANKS)
        trimmed = pc.if_else(pc.is_in(trimmed, pa.array(MISSING)), None, trimmed)
        merged = trimmed.dictionary_encode()
        codes = np.append(_codes(merged), -1)  # the last for cells that are null
        return cls(codes[_codes(encoded)], merged.dictionary)

    @property
    def texts(self) -> Texts:
        """The column as texts."""
        return Texts(self.codes, tuple(self.known.to_pylist()))


def _codes(encoded: pa.DictionaryArray) -> NDArray[np.int64]:
    return np.asarray(pc.fill_null(encoded.indices, -1).to_numpy(zero_copy_only=False), np.int64)


# --- texts that mean something else -----------------------------------------------------------


def _plain_numbers(cells: pa.ChunkedArray, name: str) -> Numbers | None:
    """The numbers in cells that hold nothing else; None where they do.

    It is many times faster than to look at each different text.
    """
    present = pc.if_else(pc.is_in(cells, pa.array(MISSING)), None, cells)
    try:
        values = present.cast(pa.float64()).to_numpy().astype(np.float64)
    except pa.ArrowInvalid:
        return None
    return Numbers(np.where(np.isinf(values), np.nan, values), warning=_infinite(values, name))


def _understood(coded: _Coded, name: str, decimal_comma: bool) -> Column:
    """The numbers or dates that texts mean; else the texts."""
    codes, known = coded.codes, coded.known
    counts = np.bincount(codes[codes >= 0], minlength=len(known))
    numbers = _numbers(known, decimal_comma)
    is_number = ~np.isnan(numbers)
    if counts.sum() and counts[is_number].sum() >= _NUMBERS * counts.sum():
        values = np.append(numbers, np.nan)[codes]
        return Numbers(values, warning=_no_numbers(name, known, counts * ~is_number))
    texts = coded.texts
    days = _days(texts.known)
    return texts if days is None else Numbers(np.append(days, np.nan)[codes], is_date=True)


def _numbers(known: pa.StringArray, decimal_comma: bool) -> NDArray[np.float64]:
    """The number that each text is, NaN where it is none or too large."""
    if decimal_comma:
        known = pc.replace_substring_regex(known, f"^{DECIMAL_COMMA}$", r"\1.\2")
    known = pc.if_else(pc.match_substring_regex(known, f"^(?:{NUMBER})$"), known, None)
    values = known.cast(pa.float64()).to_numpy(zero_copy_only=False).astype(np.float64)
    return np.where(np.isinf(values), np.nan, values)


def _days(texts: tuple[str, ...]) -> NDArray[np.float64] | None:
    """The days since 1970 of each text; None unless all are dates."""
    if not texts or not all(DATE.fullmatch(text) for text in texts):
        return None
    try:
        times = map(datetime.fromisoformat, texts)
        return np.array([_in_utc(time).timestamp() / _DAY for time in times])
    except ValueError:
        return None


def _in_utc(time: datetime) -> datetime:
    """A time without a zone as one in UTC; others as they are."""
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time


def _no_numbers(name: str, known: pa.StringArray, counts: NDArray[np.int64]) -> str:
    if not counts.sum():
        return ""
    example = known[int(counts.argmax())].as_py()
    return (
        f"cells of column {shown(name)} that are no numbers and count as missing: "
        f"{counts.sum():,}, such as {shown(example)}"
    )


def _doubted(column: Numbers, cells: pa.ChunkedArray, name: str) -> Numbers:
    """The numbers, with a warning where marks in them may stand between thousands."""
    if not (example := _grouped(cells)):
        return column
    warning = (
        f"column {shown(name)} has whole numbers up to three digits, and others as "
        f"{shown(example)}, read as {example.replace(',', '.')}: if the mark stands between "
        "thousands, remove it from all"
    )
    return replace(column, warning="; ".join(filter(None, (warning, column.warning))))


def _grouped(cells: pa.ChunkedArray) -> str:
    """A cell as "12.345" where such and short whole numbers are all that a column has; else ""."""
    for some in (cells[:_FIRST], cells):
        texts = pc.ascii_trim(some.drop_null(), BLANKS)
        texts = texts.filter(pc.invert(pc.is_in(texts, pa.array(MISSING))))
        if not _all_match(texts, f"^(?:{_UNGROUPED}|{_GROUPED}+)$"):
            return ""
    grouped = texts.filter(pc.match_substring_regex(texts, f"^{_GROUPED}$"))
    # Decimals that are whole now and then have fewer than three digits behind the point as well.
    has_hundreds = pc.any(pc.match_substring_regex(texts, _HUNDREDS), min_count=0).as_py()
    return str(grouped[0]) if has_hundreds and len(grouped) >= _FEWEST_GROUPED else ""


def _all_match(texts: pa.ChunkedArray, pattern: str) -> bool:
    return bool(pc.all(pc.match_substring_regex(texts, pattern), min_count=0).as_py())


def _infinite(values: NDArray[np.float64], name: str) -> str:
    count = int(np.isinf(values).sum())
    return f"infinite cells of column {shown(name)} that count as missing: {count:,}" * bool(count)


def strings(cells: pa.ChunkedArray) -> list[str]:
    """The cells as texts without blanks around them; "" for those without one."""
    try:
        texts: list[str | None] = cells.cast(pa.string()).to_pylist()
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowTypeError):
        return [""] * len(cells)
    return [(text or "").strip() for text in texts]
