"""Arrays and data frames as files that the service takes as data sets."""

import io
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import parquet as parquet_files


def npz(arrays: Mapping[str, Any]) -> bytes:
    """The arrays as an npz file; the same arrays are the same bytes."""
    file = io.BytesIO()
    np.savez_compressed(file, **{name: np.ascontiguousarray(a) for name, a in arrays.items()})  # type: ignore[arg-type]
    return file.getvalue()


def parquet(table: pa.Table) -> bytes:
    """The table as a Parquet file."""
    file = io.BytesIO()
    parquet_files.write_table(table, file)
    return file.getvalue()


def is_frame(given: Any) -> bool:
    """Whether this is a data frame of pandas or polars, or a table of Arrow."""
    is_known = hasattr(given, "to_arrow") or hasattr(given, "iloc")  # of polars, of pandas
    return isinstance(given, pa.Table) or (is_known and hasattr(given, "columns"))


def column_names(frame: Any) -> list[Any]:
    """The names of the columns of a data frame."""
    return list(frame.column_names if isinstance(frame, pa.Table) else frame.columns)


def table_of(frame: Any, without: Collection[int] = ()) -> pa.Table:
    """A data frame as an Arrow table, without the columns of these indices.

    Raises:
        ValueError: it is no data frame, or a column holds values of no single type.
    """
    if not is_frame(frame):
        raise ValueError(
            f"found {type(frame).__name__}; expected a data frame of pandas or polars, or a table "
            "of Arrow"
        )
    try:
        return _plain(_arrow(frame, without))
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError) as error:
        raise mixed_types(error) from None


def _arrow(frame: Any, without: Collection[int]) -> pa.Table:
    kept = [index for index in range(len(column_names(frame))) if index not in without]
    if isinstance(frame, pa.Table):
        return frame.select(kept)
    if hasattr(frame, "to_arrow"):  # polars
        return frame[:, kept].to_arrow()
    return pa.Table.from_pandas(frame.iloc[:, kept], preserve_index=False)


def mixed_types(error: pa.ArrowException) -> ValueError:
    """The error that says which column no table can hold."""
    return ValueError(f"a column has no single type that a table can hold: {error}")


def _plain(table: pa.Table) -> pa.Table:
    """The table; categories as texts, as Parquet keeps no categories of numbers."""
    for index, column in enumerate(table.columns):
        if pa.types.is_dictionary(column.type):
            name = table.column_names[index]
            table = table.set_column(index, name, _as_texts(column, name))
    return table


def _as_texts(categories: pa.ChunkedArray, name: str) -> pa.ChunkedArray:
    try:
        return categories.cast(pa.string())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        raise ValueError(
            f"column {name!r} holds categories of type {categories.type.value_type}; expected "
            "texts or numbers: convert it, as by astype(str), or leave it out"
        ) from None
