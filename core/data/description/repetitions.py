"""One pass over the examples of a data set: their range, and which of them are equal."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.data import scratch
from core.data.datasets import Arrays
from core.data.description.facts import Repetitions
from core.data.statistics import varies_by_rounding
from core.protocol.contracts.datasets import SplitKind

_DIGEST = 16  # bytes: equal digests of different examples are as good as impossible


@dataclass(frozen=True, slots=True)
class ExampleFacts:
    """What one pass over examples finds."""

    least: float
    greatest: float
    constant: tuple[int, ...]  # the channels that do not vary
    digests: Sequence[bytes]  # of each example


def examine(x: NDArray[Any]) -> ExampleFacts:
    """The range and the digests of examples, block by block: they may be larger than memory."""
    ranges, digests = [], []
    axes = (0, *range(2, x.ndim))
    for one in scratch.blocks(x):
        block = np.ascontiguousarray(x[one])
        ranges.append((block.min(axis=axes), block.max(axis=axes)))
        digests += [_digest(example) for example in block]
    found = np.array(ranges, np.float64)  # (blocks, 2, channels)
    low, high = found[:, 0].min(axis=0), found[:, 1].max(axis=0)
    constant = np.flatnonzero(varies_by_rounding(low, high, x.dtype))
    return ExampleFacts(float(low.min()), float(high.max()), tuple(constant.tolist()), digests)


def _digest(example: NDArray[Any]) -> bytes:
    return hashlib.blake2b(example.data, digest_size=_DIGEST).digest()


def count_repetitions(arrays: Arrays, train: Sequence[bytes], test: Sequence[bytes]) -> Repetitions:
    """How many examples are equal, within and between the splits, by their digests."""
    first: dict[bytes, Any] = {}
    in_train = in_test = contradictory = leaked = 0
    for digest, label in zip(train, arrays.y_train.tolist(), strict=True):
        known = first.setdefault(digest, label)
        contradictory += known != label
    in_train = len(train) - len(first)
    seen: set[bytes] = set()
    for digest, label in zip(test, arrays.y_test.tolist(), strict=True):
        leaked += digest in first
        contradictory += first.get(digest, label) != label
        in_test += digest in seen
        seen.add(digest)
    return Repetitions(
        in_train=in_train, in_test=in_test, leaked=leaked, contradictory=contradictory,
        validation_leaked=_leaked_validation(arrays, train),
    )  # fmt: skip


def _leaked_validation(arrays: Arrays, digests: Sequence[bytes]) -> int:
    """How many examples of a given validation split are training examples, too."""
    train, validation = given_validation(arrays)
    known = {digests[index] for index in train.tolist()} if len(validation) else set()
    return sum(digests[index] in known for index in validation.tolist())


def given_validation(arrays: Arrays) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Indices (training, validation) of the training examples, as the files divide them."""
    if arrays.rule.kind is SplitKind.GIVEN:
        return arrays.rule.validation(arrays.y_train, 0.0, 0)
    return np.arange(len(arrays.y_train)), np.empty(0, np.intp)
