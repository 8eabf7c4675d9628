"""The columns that a person leaves out: they must be there, and have no other use."""

from collections.abc import Collection, Iterable

from core.data.tables.dialect import listed
from core.errors import InvalidDataset


def check_left_out(
    left_out: Iterable[str], columns: Iterable[str], used: Collection[object]
) -> None:
    """Raise InvalidDataset for a column to leave out that there is not, or that is in `used`."""
    left_out, columns = set(left_out), [*columns]
    if unknown := sorted(left_out.difference(columns)):
        raise InvalidDataset(
            f"found no column {listed(unknown)} to leave out; the table has {listed(columns)}"
        )
    if both := sorted(left_out.intersection(map(str, used))):
        raise InvalidDataset(
            f"found {listed(both)} to leave out, which is the target, a category, the text, group "
            "or time column as well; expected one of both"
        )
