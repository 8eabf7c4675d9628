"""From the columns of a table to the features of vectors."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.data import interruption
from core.data.datasets import check_values
from core.data.split_keys import SplitKeys
from core.data.tables.cells import column_of, shown
from core.data.tables.dialect import listed
from core.data.tables.encoding import Learned, encode, learn
from core.data.tables.far_values import about_far_values
from core.data.tables.label_copies import copies_label, warning_about
from core.data.tables.shared_labels import SharedLabels, shared_labels, warnings_about
from core.data.tables.table import Numbers, Rows, Table
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
    table: Table, targets: tuple[str, ...], rows: Rows, training: Rows, *,
    categories: tuple[str, ...] = (), most_bytes: int, keys: SplitKeys | None = None,
    labels: NDArray[np.generic] | None = None,
) -> Encoded:  # fmt: skip
    """The features of `rows`; the rules are learned from `training`, some of these rows.

    With the `labels` of `rows` and without keys, a column of which all rows with one value have
    the same label is warned about.

    The columns in `categories` are categories whatever they look like; the one with the groups or
    times of `keys` is left out. Raises InvalidDataset where there are too many features, or none.
    """
    _check_categories(table, targets, categories)
    learned: list[Learned] = []
    blocks: list[NDArray[np.float64]] = []
    warnings: list[str] = []
    sharing: list[SharedLabels] = []
    copies: list[str] = []
    label_codes = None if labels is None or keys is not None else _codes(labels)
    for name, cells in table.columns.items():
        interruption.check()
        if name in targets:
            continue
        if keys is not None and name == keys.column:
            learned.append(Learned(name, None, f"its {keys.in_words(keys.total)} divide the rows"))
            continue
        column = column_of(cells, name, table.decimal_comma, as_texts=name in categories)
        interruption.check()  # each step over a long column takes a while
        learned.append(learn(name, column.take(training)))
        if label_codes is not None and (one := shared_labels(name, column.take(rows), label_codes)):
            sharing.append(one)
        if (spec := learned[-1].spec) is not None:
            if labels is not None and labels.ndim == 1 and copies_label(column.take(rows), labels):
                copies.append(name)
            interruption.check()
            blocks.append(encode(spec, column.take(rows)))
            check_values(blocks[-1], f"the cells of column {shown(name)}")
            _check_size(blocks, most_bytes)
            warnings += [column.warning] if column.warning else []
            if spec.kind == "number" and isinstance(column, Numbers):
                warnings += filter(None, [about_far_values(name, column.values[rows])])
    if not blocks:
        reasons = "; ".join(f"{one.name}: {one.reason}" for one in learned[:5])
        raise InvalidDataset(
            f"no column is left to learn from ({reasons}); expected columns of numbers or "
            "categories beside the target"
        )
    columns = tuple(one.spec for one in learned if one.spec is not None)
    spec_of_all = TableSpec(target=", ".join(targets), columns=columns)
    x = np.concatenate(blocks, axis=1)
    are_numbers = labels is not None and labels.dtype.kind == "f"
    if about := warning_about(copies, are_numbers=are_numbers):
        warnings.append(about)
    return Encoded(x, spec_of_all, tuple(learned), (*warnings, *warnings_about(sharing)))


def _codes(labels: NDArray[np.generic]) -> NDArray[np.intp]:
    """Integers from 0 for labels in their order, (n,); several of one row count as one."""
    axis = 0 if labels.ndim > 1 else None
    codes: NDArray[np.intp] = np.unique(labels, axis=axis, return_inverse=True)[1].reshape(-1)
    return codes


def _check_categories(table: Table, targets: tuple[str, ...], categories: tuple[str, ...]) -> None:
    others = [name for name in table.columns if name not in targets]
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
