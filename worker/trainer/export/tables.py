"""Examples of a table, and texts, as rows of a file, as far as the network sees them."""

import csv
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.protocol.contracts.datasets import ColumnSpec, TableSpec, TextSpec

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def write_table(table: TableSpec, x: NDArray[Any], path: Path) -> None:
    """Write a CSV file without the target whose rows become the examples x, (N, features).

    The columns are in another order than in training, which does not matter.
    """
    columns = [*_columns(table, x)][::-1]
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow([name for name, _ in columns])
        rows.writerows(zip(*(cells for _, cells in columns), strict=True))


def write_texts(spec: TextSpec, texts: Sequence[str], path: Path) -> None:
    """Write a CSV file whose rows hold the texts."""
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerows([[spec.column or "text", "number"], *([text, "0"] for text in texts)])


def _columns(table: TableSpec, x: NDArray[Any]) -> Iterator[tuple[str, list[str]]]:
    """(name, cells) of each column."""
    start = 0
    for spec in table.columns:
        block = x[:, start : start + spec.features]
        yield spec.name, [_cell(spec, row) for row in block]
        start += spec.features


def _cell(spec: ColumnSpec, features: NDArray[Any]) -> str:
    """A cell that becomes these features."""
    if spec.missing and features[-1]:
        return ""
    if not spec.missing and _is_as_missing(spec, features):
        return ""
    if spec.kind == "number":
        return repr(float(features[0]))
    if spec.kind == "date":
        return (_EPOCH + timedelta(days=float(features[0]))).replace(tzinfo=None).isoformat()
    index = int(np.argmax(features))
    is_listed = bool(features[index]) and index < len(spec.categories)
    return spec.categories[index] if is_listed else _other(spec)


def _is_as_missing(spec: ColumnSpec, features: NDArray[Any]) -> bool:
    """Whether a cell without a value becomes these features, of a column that does not mark it."""
    if spec.kind == "category":
        return not features.any()
    return bool(features[0] == features.dtype.type(spec.fill))


def _other(spec: ColumnSpec) -> str:
    """A category that is not in the list."""
    text = "other"
    while text in spec.categories:
        text += "_"
    return text
