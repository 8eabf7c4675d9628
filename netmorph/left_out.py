"""Which columns of a table are not learned from, as `leave_out` of an estimator names them."""

from collections.abc import Iterable
from numbers import Integral
from typing import Any

from netmorph import data_files

_SHOWN = 10  # columns in a message


def indices(leave_out: Any, given: Any, columns: int) -> tuple[int, ...]:
    """The indices of the columns to leave out.

    Args:
        leave_out: A name or a position, or several; positions count from 0, negative ones from
            the end. Data frames alone have names.
        given: The rows: a data frame, or an array.
        columns: Their number of columns.

    Raises:
        ValueError: a column is not there, or no column is left.
    """
    names = _names(given)
    found = {_index(one, names, columns) for one in _listed(leave_out)}
    if len(found) == columns:
        raise ValueError(f"leave_out names all {columns} columns of X; expected one to learn from")
    return tuple(sorted(found))


def _listed(leave_out: Any) -> Iterable[Any]:
    if isinstance(leave_out, str | Integral):
        return [leave_out]
    if not isinstance(leave_out, Iterable):
        raise ValueError(
            f"leave_out is {leave_out!r}; expected names or positions of columns, as ['id']"
        )
    return leave_out


def _names(given: Any) -> list[Any] | None:
    """The names of the columns; None for an array."""
    return data_files.column_names(given) if data_files.is_frame(given) else None


def _index(one: Any, names: list[Any] | None, columns: int) -> int:
    if isinstance(one, Integral) and not isinstance(one, bool):
        if -columns <= int(one) < columns:
            return int(one) % columns
        raise ValueError(
            f"leave_out has the position {one}, but X has {columns} columns; expected 0 to "
            f"{columns - 1}"
        )
    if names is None:
        raise ValueError(
            f"leave_out names {one!r}, but X is no data frame; expected positions of its "
            f"{columns} columns, counted from 0"
        )
    if one not in names:
        shown = ", ".join(map(repr, names[:_SHOWN])) + ", …" * (len(names) > _SHOWN)
        raise ValueError(
            f"leave_out names {one!r}, which X does not have; expected some of {shown}"
        )
    return names.index(one)
