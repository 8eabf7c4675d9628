"""The pieces of words that a network knows, and texts as their numbers.

A text becomes lower-case words and single symbols; each word is cut into the longest pieces that
the vocabulary has, from its start on. Two numbers have other meanings: 0 fills the rest of a short
text, and 1 stands for a character that no piece has. `predict.py` of an export does the same.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from core.data import interruption

PADDING, UNKNOWN, FIRST = 0, 1, 2  # token numbers; those from FIRST on are pieces
MARK = "▁"  # stands before the first piece of each word
#: Signs that belong to the letter before them; Python does not count them as parts of words.
MARKS = (
    r"\u0300-\u036f\u0483-\u0489\u0591-\u05c7\u0610-\u061a\u064b-\u065f\u0670\u06d6-\u06ed"
    r"\u0900-\u0dff\u0e31-\u0e4e\u0eb1-\u0ece\u0f18-\u0fbc\u102b-\u109d\u1ab0-\u1aff\u1dc0-\u1dff"
    r"\u20d0-\u20ff\u3099\u309a\ufe20-\ufe2f"
)
_WORD = re.compile(rf"[\w{MARKS}]+|[^\w\s]")
_MOST_KNOWN = 100_000  # words that are kept with their pieces
_LONGEST_WORD = 100  # characters; longer ones, such as data in base 64, are cut


def words_of(text: str) -> Iterator[str]:
    """The words and symbols of a text in lower case, each behind a mark."""
    interruption.check()
    for word in _WORD.findall(unicodedata.normalize("NFC", text.lower())):
        yield MARK + word[:_LONGEST_WORD]


class Vocabulary:
    """Pieces of words by their numbers."""

    def __init__(self, pieces: Sequence[str]) -> None:
        self.pieces = tuple(pieces)
        self._numbers: Mapping[str, int] = {piece: k for k, piece in enumerate(pieces, FIRST)}
        self._longest = max(map(len, pieces), default=1)
        self._known: dict[str, list[int]] = {}  # words that were cut already

    def __len__(self) -> int:
        return FIRST + len(self.pieces)

    def tokens(self, text: str, most: int) -> list[int]:
        """The numbers of the first pieces of a text, at most `most`."""
        found: list[int] = []
        for word in words_of(text):
            found += self._pieces(word)
            if len(found) >= most:
                break
        return found[:most]

    def encode(self, texts: Sequence[str], length: int) -> NDArray[np.int32]:
        """Texts as token numbers, cut or filled to the same length: (N, 1, length)"""
        x = np.full((len(texts), 1, length), PADDING, np.int32)
        for row, text in zip(x, texts, strict=True):
            tokens = self.tokens(text, length)
            row[0, : len(tokens)] = tokens
        return x

    def decode(self, tokens: Iterable[int]) -> str:
        """A text with these tokens, whose unknown characters are replaced by one."""
        pieces = [self._text(int(token)) for token in tokens if token != PADDING]
        return "".join(pieces).replace(MARK, " ").strip()

    def _text(self, token: int) -> str:
        return self.pieces[token - FIRST] if token >= FIRST else MARK + self._stranger

    @cached_property
    def _stranger(self) -> str:
        """A letter that no piece has."""
        known = set("".join(self.pieces))
        return next(letter for letter in map(chr, range(0x4E00, 0xA000)) if letter not in known)

    def _pieces(self, word: str) -> list[int]:
        if word not in self._known:
            if len(self._known) == _MOST_KNOWN:
                self._known.clear()
            self._known[word] = self._cut(word)
        return self._known[word]

    def _cut(self, word: str) -> list[int]:
        """The longest pieces from the start of a word on."""
        found, start = [], 0
        while start < len(word):
            ends = range(min(start + self._longest, len(word)), start, -1)
            end = next((end for end in ends if word[start:end] in self._numbers), 0)
            found.append(self._numbers[word[start:end]] if end else UNKNOWN)
            start = end or start + (2 if start == 0 else 1)  # the mark belongs to the first letter
        return found
