"""Several labels for each example: a matrix of 0 and 1, or texts that list labels ("cat dog").

Rows that all have exactly one 1 are one-hot labels of single classes, unless the person says
otherwise.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.data.labels import (
    about_spellings,
    checked_names,
    differing_in_case,
    hint_of_spelling,
)
from core.data.spellings import OPTION, one_spelling
from core.data.targets import MULTI_LABEL
from core.data.written_lists import names_in
from core.errors import InvalidDataset

_SEPARATORS = "|;,"  # of labels in a text; without any of them, blanks
_NO_LABEL = "[]"
_SHOWN = 40  # characters of a label in messages


@dataclass(frozen=True, slots=True)
class LabelSets:
    """Whether each example has each label, by split, and the names of the labels."""

    values: Mapping[str, NDArray[np.uint8]]  # (n, labels)
    names: tuple[str, ...]
    reason: str  # why they are taken as several labels
    notes: tuple[str, ...] = ()  # what was done to the labels
    warnings: tuple[str, ...] = ()


def label_sets_of(
    labels: Mapping[str, NDArray[Any]],
    task: str | None,
    names: Sequence[str] | None = None,
    *,
    merge: bool = False,
) -> LabelSets | None:
    """The labels as sets; None where they are something else.

    With `merge`, names in texts that differ only in capital letters or blanks are one label. Raises
    InvalidDataset where sets are requested and the labels are no matrix of 0 and 1.
    """
    if task != MULTI_LABEL and not (task is None and _are_sets(labels)):
        return None
    if all(y.ndim == 1 and y.dtype.kind == "U" for y in labels.values()):
        return _listed_in_texts(labels, names, merge=merge)
    if merge:
        raise InvalidDataset(
            f"labels are rows of 0 and 1; expected texts for {OPTION}, which makes one label of "
            "the spellings of a name: leave it out"
        )
    for split, y in labels.items():
        _check(split, y)
    counts = {y.shape[1] for y in labels.values()}
    if len(counts) > 1:
        raise InvalidDataset(
            f"found {' and '.join(map(str, sorted(counts)))} labels in different splits; expected "
            "the same number in all"
        )
    (count,) = counts
    known = tuple(map(str, range(count))) if names is None else checked_names(names, "class_names")
    if len(known) != count:
        raise InvalidDataset(
            f"class_names has {len(known)} names, and labels have {count} columns; expected one "
            "name for each column"
        )
    reason = "as given" if task else "some examples have several labels, or none"
    return LabelSets({split: y.astype(np.uint8) for split, y in labels.items()}, known, reason)


def _listed_in_texts(
    labels: Mapping[str, NDArray[Any]], names: Sequence[str] | None, *, merge: bool
) -> LabelSets:
    """The labels that texts list, as in "cat dog"; the first separator that occurs divides them."""
    sets, form = _sets_in({split: y.tolist() for split, y in labels.items()})
    notes: tuple[str, ...] = ()
    if merge:
        counts = Counter(name for one in sets["train"] for name in one)
        others = {name for part in sets.values() for one in part for name in one}
        spelled, groups = one_spelling(dict.fromkeys(sorted(others), 0) | counts, names or ())
        sets = {split: [{*map(spelled, one)} for one in part] for split, part in sets.items()}
        notes = about_spellings(groups, spelled)
    known = checked_names(
        sorted(set().union(*sets["train"])) if names is None else names, "the labels"
    )
    if unknown := sorted(set().union(*(one for part in sets.values() for one in part)) - {*known}):
        raise InvalidDataset(
            f"found the label {unknown[0][:_SHOWN]!r}; expected labels of the training examples: "
            f"{', '.join(known)[:200]}{hint_of_spelling(unknown[0], known)}"
        )
    values = {
        split: np.array([[name in one for name in known] for one in part], np.uint8)
        for split, part in sets.items()
    }
    reason = f"as given: texts list labels, {form}"
    return LabelSets(values, known, reason, notes, differing_in_case(known, "labels"))


def _sets_in(texts: Mapping[str, list[str]]) -> tuple[dict[str, list[set[str]]], str]:
    """(the names that each text lists, the form of the texts in words)"""
    lists = {split: [*map(names_in, part)] for split, part in texts.items()}
    if all(one is not None for part in lists.values() for one in part):
        named = {split: [{*(one or ())} - {""} for one in part] for split, part in lists.items()}
        return named, "as in ['a', 'b']"
    joined = "".join(text for part in texts.values() for text in part)
    separator = next((one for one in _SEPARATORS if one in joined), None)
    sets = {
        split: [{name.strip() for name in text.split(separator)} - {"", _NO_LABEL} for text in part]
        for split, part in texts.items()
    }
    return sets, f"separated by {'blanks' if separator is None else repr(separator)}"


def _are_sets(labels: Mapping[str, NDArray[Any]]) -> bool:
    """Whether all labels are rows of 0 and 1, some of them without exactly one 1."""
    matrices = [y for y in labels.values() if y.ndim == 2 and y.shape[1] > 1 and len(y)]
    if len(matrices) < len(labels) or not all(_are_bits(y) for y in matrices):
        return False
    return any(bool((y.sum(axis=1) != 1).any()) for y in matrices)


def _are_bits(y: NDArray[Any]) -> bool:
    return y.dtype.kind in "biuf" and bool(((y == 0) | (y == 1)).all())


def _check(split: str, y: NDArray[Any]) -> None:
    if y.ndim != 2 or y.shape[1] < 2 or not len(y):
        raise InvalidDataset(
            f"{split} labels have shape {y.shape}; expected (N, labels) with two labels or more "
            "for the task multi-label: a row of 0 and 1 for each example"
        )
    if not _are_bits(y):
        raise InvalidDataset(
            f"{split} labels are {y.dtype} and not all 0 or 1; expected a matrix of 0 and 1 for "
            "the task multi-label: 1 where an example has the label"
        )
