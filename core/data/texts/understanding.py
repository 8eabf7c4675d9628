"""From texts to examples: sequences of token numbers of one length."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.data.texts.learning import learn
from core.data.texts.vocabulary import PADDING, Vocabulary
from core.errors import InvalidDataset
from core.protocol.contracts.datasets import TextSpec

SHORTEST, LONGEST = 8, 256  # tokens of one example
COVERED = 0.95  # of the training texts are not cut, unless they are longer than LONGEST
_STEP = 8  # lengths are multiples of it
MOST_CHARACTERS = 20_000  # of one text; LONGEST tokens are far fewer


@dataclass(frozen=True, slots=True)
class EncodedTexts:
    """Texts as token numbers (N, 1, length), by part, and how they became so."""

    x: Mapping[str, NDArray[np.int32]]
    spec: TextSpec
    pieces: tuple[str, ...]
    notes: tuple[str, ...]
    warnings: tuple[str, ...]


def encoded(
    texts: Mapping[str, Sequence[str]], trained: Sequence[str], column: str | None = None
) -> EncodedTexts:
    """The token numbers of the texts of each part; all is learned from the `trained` ones alone.

    Raises InvalidDataset where these hold no words.
    """
    trained = [text[:MOST_CHARACTERS] for text in trained]
    vocabulary = Vocabulary(learn(trained))
    if not vocabulary.pieces:
        raise InvalidDataset(
            "the training texts hold no letters that occur three times; expected texts of words"
        )
    length = _length([len(vocabulary.tokens(text, LONGEST + 1)) for text in trained])
    longer = {
        part: vocabulary.encode([text[:MOST_CHARACTERS] for text in of], length + 1)
        for part, of in texts.items()
    }  # by one token, which says whether a text is cut
    x = {part: np.ascontiguousarray(of[..., :length]) for part, of in longer.items()}
    counts = np.concatenate([(of != PADDING).sum(axis=(1, 2)) for of in longer.values()])
    note = (
        f"texts in lower case become numbers of {len(vocabulary):,} tokens, learned from the "
        f"training texts; longer texts are cut to the first {length} tokens, shorter ones filled"
    )
    spec = TextSpec(column=column, length=length, vocabulary=len(vocabulary))
    return EncodedTexts(x, spec, vocabulary.pieces, (note,), _warnings(counts, length))


def _length(counts: Sequence[int]) -> int:
    """The tokens of one example: enough for most of the training texts, within limits."""
    covered = float(np.quantile(counts, COVERED, method="higher"))
    return int(np.clip(-(-covered // _STEP) * _STEP, SHORTEST, LONGEST))


def _warnings(counts: NDArray[np.int64], length: int) -> tuple[str, ...]:
    found = []
    if (cut := int((counts > length).sum())) > (1 - COVERED) * len(counts):
        found.append(
            f"texts of more than {length} tokens, of which only the start is read: {cut:,}"
        )
    if empty := int((counts == 0).sum()):
        found.append(f"texts without any word: {empty:,}")
    return tuple(found)
