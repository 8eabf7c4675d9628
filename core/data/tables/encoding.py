"""How the columns of a table become the features of vectors, learned from training rows alone.

A number is one feature; a missing one counts as the median. A category has a feature of its own, 1
in its rows and else 0; rare ones share the feature "other". A column with missing cells in several
training rows has a further feature that is 1 where there is no value.
"""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.data.statistics import range_in_words
from core.data.tables.cells import NUMBER, shown
from core.data.tables.table import Column, Numbers, Texts
from core.protocol.contracts.datasets import ColumnSpec

MAX_CATEGORIES = 32  # of a column, without "other"
RARE = 5  # rows: categories with fewer are "other", and fewer missing cells have no feature
_LONGEST = 1_000  # characters of a category
_FREE = 0.5  # different texts per row: identifiers or free text
_EXACT = 2.0**53  # numbers beyond it may stand for several integers
_FEW = 20  # rows or values: too few to judge by
_KEY = re.compile(r"(.*[^a-z])?(id|ids|key|uuid|guid|index|idx|rownames?|row)", re.IGNORECASE)
_WHOLE = re.compile(r"-?[0-9]+\.0")
_CAMEL = re.compile(r".*[a-z]I[dD]")  # passengerId
_FOREIGN_DATE = re.compile(
    r"([0-9]{1,2}[/.][0-9]{1,2}[/.][0-9]{2,4}|[0-9]{4}/[0-9]{1,2}/[0-9]{1,2}"
    r"|[0-9]{1,2}[- ][^\W\d]{3,9}\.?[- ][0-9]{2,4}|[^\W\d]{3,9}\.? [0-9]{1,2}, [0-9]{4})( .*)?"
)
_LIST = re.compile(r"[\[(] *[-+.0-9][-+.0-9eE,; \n]*[\])]")
_WORDS = 4  # of the middle text, from which texts are read and no names
_NUMBER = re.compile(NUMBER)
_WITH_COMMA = re.compile(r"[+-]?[0-9]+,[0-9]+")
#: With a currency, a percent sign or a unit, or with marks between thousands.
_MARKED = re.compile(
    r"([^\w\s] ?|[A-Z]{3} )?[+-]?([0-9]{1,3}([,.' \u00a0\u202f][0-9]{3})+|[0-9]+)([.,][0-9]+)?"
    r"( ?[^\w\s]?[A-Za-zµ]{0,4}[²³]?(/[A-Za-z]{1,3})?)?"
)


@dataclass(frozen=True, slots=True)
class Learned:
    """What a column is taken for and why; `spec` is None where it is left out."""

    name: str
    spec: ColumnSpec | None
    reason: str


def learn(name: str, column: Column) -> Learned:
    """How the column is encoded; it has the training rows alone."""
    missing = int(column.is_missing.sum())
    if column.is_missing.all():
        return Learned(name, None, "it has no values")
    if isinstance(column, Numbers):
        return _learn_numbers(name, column, missing)
    return _learn_texts(name, column, missing)


def encode(spec: ColumnSpec, column: Column) -> NDArray[np.float64]:
    """The features of one column, (n, features)."""
    is_missing = column.is_missing
    x = np.zeros((len(is_missing), spec.features))
    if isinstance(column, Numbers):
        x[:, 0] = np.where(is_missing, spec.fill, column.values)
    else:
        features = np.append(_features(spec, column.known), -1)[column.codes]
        rows = np.flatnonzero(features >= 0)
        x[rows, features[rows]] = 1
    if spec.missing:
        x[:, -1] = is_missing
    return x


def _features(spec: ColumnSpec, known: Sequence[str]) -> NDArray[np.int64]:
    """The feature of each text, -1 where none stands for it."""
    index = {category: k for k, category in enumerate(spec.categories)}
    rest = len(index) if spec.other else -1
    return np.array([index.get(category_of(text), rest) for text in known], np.int64)


def category_of(text: str) -> str:
    """The category that a text means: truth values and whole numbers are written in two ways."""
    if (lowered := text.lower()) in ("true", "false"):
        return lowered
    return text.removesuffix(".0") if _WHOLE.fullmatch(text) else text


# --- learning ---------------------------------------------------------------------------------


def _learn_numbers(name: str, column: Numbers, missing: int) -> Learned:
    values = column.values[~column.is_missing]
    distinct = np.unique(values)
    if len(distinct) == 1 and not missing:
        return Learned(name, None, _equal(float(distinct[0])))
    is_whole = bool((values == np.round(values)).all())
    if reason := _identifies(name, values, distinct) if is_whole and not column.is_date else "":
        return Learned(name, None, reason)
    kind = "date" if column.is_date else "number"
    median = 2 * float(np.median(values / 2))  # the sum of two of the largest numbers overflows
    spec = ColumnSpec(name=name, kind=kind, fill=median, missing=missing >= RARE)
    if column.is_date:
        return Learned(name, spec, "its cells are dates: days since 1970" + _filled(missing))
    noun = "integers" if is_whole else "numbers"
    found = f"{noun} from {range_in_words(distinct[0], distinct[-1])}"
    return Learned(name, spec, found + _few(is_whole, distinct) + _filled(missing))


def _equal(value: float) -> str:
    if abs(value) < _EXACT:
        return "it has the same value in all rows"
    return "its integers beyond 2^53 are equal as numbers; if they are codes, name it as a category"


def _few(is_whole: bool, distinct: NDArray[np.float64]) -> str:
    if not is_whole or not 3 <= len(distinct) <= _FEW // 2:
        return ""
    return f" ({len(distinct)} values; name it as a category if their order means nothing)"


def _filled(missing: int) -> str:
    if not missing:
        return ""
    return "; a missing one counts as the median" + (" and is marked" if missing >= RARE else "")


def _identifies(name: str, values: NDArray[np.float64], distinct: NDArray[np.float64]) -> str:
    """Why integers number the rows and say nothing about them; empty where they do not."""
    if len(values) < _FEW or len(distinct) < len(values):
        return ""
    if _KEY.fullmatch(name) or _CAMEL.fullmatch(name):
        return "an identifier: its integers are all different and its name says so"
    steps = np.diff(values)
    if (steps > 0).all() and distinct[-1] - distinct[0] < 2 * len(distinct):
        return "it numbers the rows: an identifier"
    return ""


def _learn_texts(name: str, column: Texts, missing: int) -> Learned:
    categories = _counted(column)
    total = sum(categories.values())
    if len(categories) == 1 and not missing:
        return Learned(name, None, "it has the same value in all rows")
    if total >= _FEW and len(categories) > _FREE * total:
        return Learned(name, None, _different(categories))
    frequent = sorted(categories, key=lambda text: (-categories[text], text))[:MAX_CATEGORIES]
    kept = sorted(text for text in frequent if categories[text] >= RARE)
    if not kept:
        found = why_no_numbers(categories)
        return Learned(name, None, found or f"each of its values is in fewer than {RARE} rows")
    if any(len(text) > _LONGEST or "\0" in text for text in kept):
        return Learned(name, None, f"it has texts of more than {_LONGEST:,} characters or with NUL")
    spec = ColumnSpec(
        name=name,
        kind="category",
        categories=tuple(kept),
        other=len(kept) < len(categories),
        missing=missing >= RARE,
    )
    found = "1 category" if len(categories) == 1 else f"{len(categories)} categories"
    if spec.other:
        found += f', of which the rarest {len(categories) - len(kept)} are one, "other"'
    if all(_FOREIGN_DATE.fullmatch(text) for text in categories):
        found += "; its dates are not written as 2024-12-31: convert them"
    if all(_WITH_COMMA.fullmatch(text) for text in categories):
        found += f"; if they are numbers, write a point where {shown(kept[0])} has a comma"
    return Learned(name, spec, found + ("; missing is marked" if spec.missing else ""))


def _counted(column: Texts) -> dict[str, int]:
    """In how many rows each category occurs that does."""
    counts = np.bincount(column.codes[~column.is_missing], minlength=len(column.known))
    by_category: dict[str, int] = {}
    for text, count in zip(column.known, counts.tolist(), strict=True):
        if count:
            category = category_of(text)
            by_category[category] = by_category.get(category, 0) + count
    return by_category


def _different(categories: Collection[str]) -> str:
    found = why_no_numbers(categories)
    return found or f"it has {len(categories):,} different texts: {_free(categories)}"


def why_no_numbers(texts: Collection[str]) -> str:
    """Why different texts are taken for no numbers or dates, and what to do.

    Empty where they do not look like such.
    """
    if all(_FOREIGN_DATE.fullmatch(text) for text in [*texts][:_FEW]):
        return "its dates are not written as 2024-12-31: convert them"
    if all(_LIST.fullmatch(text) for text in [*texts][:_FEW]):
        return "its texts are lists of numbers: write them as lists, in Parquet or JSON Lines"
    others = [text for text in texts if not _NUMBER.fullmatch(text)]
    marked = [text for text in others if _MARKED.fullmatch(text)]
    if not others or len(texts) - len(others) + len(marked) <= len(texts) / 2:
        return ""
    if len(marked) > len(others) / 2:
        return f"its numbers have further marks, as {shown(marked[0])}: write them as 1234.5"
    return f"most of its cells are numbers, and others are not, as {shown(others[0])}: empty those"


def _free(texts: Collection[str]) -> str:
    """What different texts are, by their words."""
    words = sorted(text.count(" ") + 1 for text in texts)
    if words[len(words) // 2] < _WORDS:
        return "an identifier or free text"
    return "free text; to learn from it, name it as the text column (--text, text in REST)"
