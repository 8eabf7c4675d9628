"""Learning a vocabulary from the words of training texts: byte-pair encoding.

At first each letter is a piece. Again and again, the most frequent pair of neighbouring pieces
becomes a piece of its own (Sennrich, Haddow & Birch 2016, arXiv:1508.07909, section 3.2). A text is
then cut into the longest pieces, which is simpler than to repeat the joins, and as good (Uzan et
al. 2024, arXiv:2403.01289).
"""

import heapq
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from itertools import pairwise

from core.data import interruption
from core.data.texts.vocabulary import FIRST, MARK, words_of

MOST_TOKENS = 4_096
RARE = 3  # letters that occur less often have no piece, and such pairs are not joined
_MOST_WORDS = 30_000  # different ones, from which pairs are learned
_LETTERS = 0.6  # of all tokens, at most: Chinese has thousands

Pair = tuple[str, str]


def learn(texts: Iterable[str], most: int = MOST_TOKENS) -> tuple[str, ...]:
    """The pieces of a vocabulary of at most `most` tokens, letters first."""
    counts = Counter(word for text in texts for word in words_of(text))
    letters = _letters(counts, round(_LETTERS * most))
    joined = _joined(counts, set(letters), most - FIRST - len(letters))
    return (*letters, *joined)


def symbols_of(word: str) -> tuple[str, ...]:
    """The letters of a word, the first with the mark."""
    return (word[:2], *word[2:])


def _letters(counts: Counter[str], most: int) -> list[str]:
    """The letters that occur often enough, the most frequent first."""
    found: Counter[str] = Counter()
    for word, count in counts.items():
        for symbol in symbols_of(word):
            found[symbol] += count
    ranked = sorted(found.items(), key=lambda item: (-item[1], item[0]))
    return [letter for letter, count in ranked[:most] if count >= RARE]


def _joined(counts: Counter[str], letters: set[str], most: int) -> Iterator[str]:
    """The pieces that pairs become, the most frequent first."""
    frequent = sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:_MOST_WORDS]
    pairs = _Pairs([(list(symbols_of(word)), n) for word, n in frequent], letters)
    seen = set(letters)
    while len(seen) - len(letters) < most and (pair := pairs.most_frequent()):
        interruption.check()
        pairs.join(pair)
        if (piece := "".join(pair)) not in seen:
            seen.add(piece)
            yield piece


class _Pairs:
    """The words as sequences of pieces, and how often each pair of neighbours occurs."""

    def __init__(self, words: list[tuple[list[str], int]], letters: set[str]) -> None:
        self._words = words
        self._counts: Counter[Pair] = Counter()
        self._where: dict[Pair, set[int]] = defaultdict(set)  # indices of words
        self._letters = letters
        for index, (pieces, count) in enumerate(words):
            self._add(index, pieces, count)
        self._heap = [(-count, pair) for pair, count in self._counts.items()]
        heapq.heapify(self._heap)

    def most_frequent(self) -> Pair | None:
        """The pair that occurs most often; None where all are rare."""
        while self._heap:
            count, pair = heapq.heappop(self._heap)
            if self._counts[pair] == -count:
                return pair if -count >= RARE else None
        return None

    def join(self, pair: Pair) -> None:
        """Make one piece of a pair, wherever it occurs."""
        changed: set[Pair] = set()
        for index in self._where.pop(pair, set()):
            pieces, count = self._words[index]
            changed.update(self._add(index, pieces, -count))
            pieces[:] = _with_joined(pieces, pair)
            changed.update(self._add(index, pieces, count))
        del self._counts[pair]
        for other in changed - {pair}:
            if self._counts[other] > 0:
                heapq.heappush(self._heap, (-self._counts[other], other))

    def _add(self, index: int, pieces: list[str], count: int) -> list[Pair]:
        """Count the pairs of a word, which are returned; a negative count takes them away."""
        found = [(a, b) for a, b in pairwise(pieces) if self._is_known(a) and self._is_known(b)]
        for pair in found:
            self._counts[pair] += count
            if count > 0:
                self._where[pair].add(index)
        return found

    def _is_known(self, piece: str) -> bool:
        """Whether a piece is no rare letter."""
        return piece in self._letters or len(piece.removeprefix(MARK)) > 1


def _with_joined(pieces: list[str], pair: Pair) -> list[str]:
    found: list[str] = []
    for piece in pieces:
        if found and (found[-1], piece) == pair:
            found[-1] += piece
        else:
            found.append(piece)
    return found
