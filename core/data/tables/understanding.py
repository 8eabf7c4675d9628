"""From the columns of a table to the features of vectors."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.data.datasets import check_values
from core.data.split_keys import SplitKeys
from core.data.tables.cells import column_of, shown
from core.data.tables.dialect import listed
from core.data.tables.encoding import Learned, encode, learn
from core.data.tables.table import Rows, Table
from core.errors import InvalidDataset
from core.protocol.contracts import TableSpec

MAX_FEATURES = 4_000


@dataclass(frozen=True, slots=True)
class Encoded:
    """Rows of a table as vectors (n, features), and how they became so."""

    x: NDArray[np.float64]
    spec: TableSpec
    learned: tuple[Learned, ...]  # of all columns but the target
    warnings: tuple[str, ...]


def encoded(
    table: Table, target: str, rows: Rows, training: Rows, *, categories: tuple[str, ...] = (),
    most_bytes: int, keys: SplitKeys | None = None,
) -> Encoded:  # fmt: skip
    """The features of `rows`; the rules are learned from `training`, some of these rows.

    The columns in `categories` are categories whatever they look like; the one with the groups or
    times of `keys` is left out. Raises InvalidDataset where there are too many features, or none.
    """
    _check_categories(table, target, categories)
    learned: list[Learned] = []
    blocks: list[NDArray[np.float64]] = []
    warnings: list[str] = []
    for name, cells in table.columns.items():
        if name == target:
            continue
        if keys is not None and name == keys.column:
            learned.append(Learned(name, None, f"its {keys.in_words(keys.total)} divide the rows"))
            continue
        column = column_of(cells, name, table.decimal_comma, as_texts=name in categories)
        learned.append(learn(name, column.take(training)))
        if (spec := learned[-1].spec) is not None:
            blocks.append(encode(spec, column.take(rows)))
            check_values(blocks[-1], f"the cells of column {shown(name)}")
            _check_size(blocks, most_bytes)
            warnings += [column.warning] if column.warning else []
    if not blocks:
        reasons = "; ".join(f"{one.name}: {one.reason}" for one in learned[:5])
        raise InvalidDataset(
            f"no column is left to learn from ({reasons}); expected columns of numbers or "
            "categories beside the target"
        )
    columns = tuple(one.spec for one in learned if one.spec is not None)
    return Encoded(
        np.concatenate(blocks, axis=1), TableSpec(target=target, columns=columns), tuple(learned),
        tuple(warnings),
    )  # fmt: skip


def _check_categories(table: Table, target: str, categories: tuple[str, ...]) -> None:
    others = [name for name in table.columns if name != target]
    if unknown := sorted(set(categories) - set(others)):
        raise InvalidDataset(
            f"found no column {listed(unknown)} to take as categories; the table has "
            f"{listed(others)}"
        )


def _check_size(blocks: list[NDArray[np.float64]], most_bytes: int) -> None:
    """Raise InvalidDataset where the features so far are too many or too large."""
    features = sum(block.shape[1] for block in blocks)
    size = sum(block.nbytes for block in blocks)
    if features > MAX_FEATURES or 2 * size > most_bytes:
        raise InvalidDataset(
            f"the columns become {features:,} features or more, {size:,} bytes in "
            f"{len(blocks[0]):,} rows; expected at most {MAX_FEATURES:,} features and "
            f"{most_bytes // 2:,} bytes: leave out columns or rows"
        )
