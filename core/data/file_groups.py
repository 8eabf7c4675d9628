"""Groups of files by the starts of their names, as of several pictures of one patient."""

import re
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath

import numpy as np

from core.data.split_keys import SplitKeys, keys_of
from core.protocol.contracts.datasets import SplitKind

FILE_PREFIX = "file-prefix"  # given and kept in place of a column of groups
FILE_STARTS = "the start of the file names"  # the same for messages
_END = re.compile("[-_ ]")


def file_groups(names: Mapping[str, Sequence[str]]) -> SplitKeys:
    """The groups of the files in each part: their names up to the first "-", "_" or space."""
    starts = {
        part: np.array([_END.split(PurePosixPath(name).stem)[0] for name in files])
        for part, files in names.items()
    }
    return keys_of(SplitKind.GROUP, starts, FILE_STARTS, FILE_PREFIX)
