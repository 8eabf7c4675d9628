"""How deep the lists and objects of a JSON text nest, in time in proportion to its length.

Parsers that call themselves for each level end the process where a text nests deeply.
"""

import re

import numpy as np

#: A string of JSON, or the rest of a text within one. It matches from each quotation mark, so that
#: no part of the text is read twice.
_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)
_NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_STEPS = bytes.maketrans(b"[{]}", b"\x01\x01\xff\xff")  # 1 or -1 level, as int8


class Nesting:
    """The depth of a text that comes in pieces, none of which ends within a string."""

    def __init__(self) -> None:
        self.deepest = 0  # levels at the deepest place so far
        self._open = 0  # levels that are open at the end of the text so far

    def read(self, piece: bytes) -> None:
        """Count the levels of the next piece; brackets that close nothing have no effect."""
        steps = np.frombuffer(_STRING.sub(b"", piece).translate(_STEPS, _NO_BRACKETS), np.int8)
        if not len(steps):
            return
        levels = self._open + np.cumsum(steps, dtype=np.int64)
        levels -= np.minimum(np.minimum.accumulate(levels), 0)
        self.deepest = max(self.deepest, int(levels.max()))
        self._open = int(levels[-1])


def depth_of(text: bytes) -> int:
    """How deep the lists and objects in a text of JSON nest: 0 for a number, 1 for `[1]`."""
    nesting = Nesting()
    nesting.read(text)
    return nesting.deepest
