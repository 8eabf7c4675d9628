"""The texts in a column of a table."""

import pyarrow as pa
import pyarrow.compute as pc

from core.data.tables.cells import shown
from core.data.tables.dialect import listed
from core.data.tables.table import Table
from core.errors import InvalidDataset


def texts_of(table: Table, name: str, targets: tuple[str, ...]) -> list[str]:
    """The texts of a column as they are; a cell without a value is an empty text.

    Raises InvalidDataset where there is no such column beside the target, or it holds no texts.
    """
    if name not in table.columns or name in targets:
        others = [column for column in table.columns if column not in targets]
        raise InvalidDataset(
            f"found no column {shown(name)} with texts; expected one beside the target, of "
            f"{listed(others)}"
        )
    cells = table.columns[name]
    kind = cells.type.value_type if pa.types.is_dictionary(cells.type) else cells.type
    if not (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
        raise InvalidDataset(
            f"the column {shown(name)} is of type {kind}; expected texts: name another column"
        )
    texts: list[str] = pc.fill_null(cells.cast(pa.string()), "").to_pylist()
    return texts
