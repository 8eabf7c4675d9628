"""From the columns of a table to the features of vectors."""

from collections.abc import Collection, Sequence
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
from core.data.tables.row_numbers import about_row_numbers
from core.data.tables.shared_labels import SharedLabels, shared_labels, warnings_about
from core.data.tables.table import Column, Numbers, Rows, Table
from core.errors import InvalidDataset
from core.protocol.contracts.datasets import TableSpec

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
    categories: tuple[str, ...] = (), leave_out: Collection[str] = (), most_bytes: int,
    keys: SplitKeys | None = None, labels: NDArray[np.generic] | None = None,
) -> Encoded:  # fmt: skip
    """The features of `rows`; the rules are learned from `training`, some of these rows.

    With the `labels` of `rows` and without keys, a column of which all rows with one value have
    the same label is warned about.

    The columns in `categories` are categories whatever they look like; those in `leave_out`, and
    the one with the groups or times of `keys`, are not learned from. Raises InvalidDataset where
    there are too many features, or none.
    """
    _check_categories(table, targets, categories)
    learned: list[Learned] = []
    blocks: list[NDArray[np.float64]] = []
    warnings: list[str] = []
    suspects = _Suspects(labels, keys)
    for name, cells in table.columns.items():
        interruption.check()
        if name in targets:
            continue
        if keys is not None and name == keys.column:
            learned.append(Learned(name, None, f"its {keys.in_words(keys.total)} divide the rows"))
            continue
        if name in leave_out:
            learned.append(Learned(name, None, "as requested"))
            continue
        column = column_of(cells, name, table.decimal_comma, as_texts=name in categories)
        interruption.check()  # each step over a long column takes a while
        trained = column.take(training)
        learned.append(learn(name, trained))
        spec, chosen = learned[-1].spec, column.take(rows)
        suspects.add(name, chosen, is_learned_from=spec is not None)
        if spec is not None:
            interruption.check()
            blocks.append(encode(spec, chosen))
            check_values(blocks[-1], f"the cells of column {shown(name)}")
            _check_size(blocks, most_bytes)
            warnings += [column.warning] if column.warning else []
            if spec.kind == "number" and isinstance(chosen, Numbers):
                doubts = (about_far_values(name, chosen.values), about_row_numbers(name, trained))
                warnings += filter(None, doubts)
    if not blocks:
        raise _nothing_is_left(learned)
    columns = tuple(one.spec for one in learned if one.spec is not None)
    spec_of_all = TableSpec(target=", ".join(targets), columns=columns)
    x = np.concatenate(blocks, axis=1)
    return Encoded(x, spec_of_all, tuple(learned), (*warnings, *suspects.warnings()))


class _Suspects:
    """The columns that may give the labels away."""

    def __init__(self, labels: NDArray[np.generic] | None, keys: SplitKeys | None) -> None:
        self._labels = labels
        self._codes = None if labels is None or keys is not None else _codes(labels)
        self._sharing: list[SharedLabels] = []
        self._copies: list[str] = []

    def add(self, name: str, column: Column, *, is_learned_from: bool) -> None:
        """Look at a column, which has the rows of the labels."""
        if self._codes is not None and (found := shared_labels(name, column, self._codes)):
            self._sharing.append(found)
        labels = self._labels
        if not is_learned_from or labels is None or labels.ndim > 1:
            return
        if copies_label(column, labels):
            self._copies.append(name)

    def warnings(self) -> list[str]:
        """A warning of the columns that copy the labels, then those of rows that share them."""
        are_numbers = self._labels is not None and self._labels.dtype.kind == "f"
        about = warning_about(self._copies, are_numbers=are_numbers)
        return [*([about] if about else []), *warnings_about(self._sharing)]


def _nothing_is_left(learned: Sequence[Learned]) -> InvalidDataset:
    reasons = "; ".join(f"{one.name}: {one.reason}" for one in learned[:5])
    return InvalidDataset(
        f"no column is left to learn from ({reasons}); expected columns of numbers or "
        "categories beside the target"
    )


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
            f"{most_bytes // 2:,} bytes: leave out rows, or columns by "
            "--leave-out COLUMN (leave_out in REST and Python)"
        )
