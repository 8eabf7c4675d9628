"""A target column whose cells are lists of numbers: a row of labels or targets for each example."""

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import compute

from core.data.nested_lists import is_list
from core.data.tables.cells import shown
from core.data.targets import MULTI_LABEL
from core.errors import InvalidDataset


def number_rows(
    cells: pa.ChunkedArray, name: str, task: str | None
) -> tuple[NDArray[np.generic], NDArray[np.intp]] | None:
    """(the lists as rows of a matrix (n, numbers), the indices of the cells that have one).

    None where the cells are no lists of numbers, or integers that name labels: their lists have
    several lengths, or are several labels and hold others than 0 and 1. Raises InvalidDataset for
    lists with gaps, and for fractions in lists of several lengths.
    """
    if not is_list(cells.type) or not _is_numeric(cells.type.value_type):
        return None
    lists = cells.drop_null().combine_chunks()
    values = lists.flatten()
    if values.null_count:
        raise InvalidDataset(
            f"the target column {shown(name)} holds lists with {values.null_count:,} missing "
            "values; expected a number at each place: fill them, or remove these rows"
        )
    is_whole = not pa.types.is_floating(cells.type.value_type)
    lengths = compute.list_value_length(lists).unique()
    if len(lengths) > 1:
        if is_whole:
            return None
        raise InvalidDataset(
            f"the target column {shown(name)} holds lists of {len(lengths)} lengths; expected as "
            "many numbers to predict in each row, or lists of whole numbers that name labels"
        )
    matrix = np.asarray(values.to_numpy(zero_copy_only=False)).reshape(len(lists), -1)
    if is_whole and task == MULTI_LABEL and not np.isin(matrix, (0, 1)).all():
        return None
    return matrix, np.flatnonzero(cells.is_valid().to_numpy())


def _is_numeric(kind: pa.DataType) -> bool:
    types = pa.types
    return bool(types.is_integer(kind) or types.is_floating(kind) or types.is_boolean(kind))
