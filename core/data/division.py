"""The examples of a file, divided into those to train, to validate and to test on."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.data.datasets import (
    MIN_TEST_TARGETS,
    MIN_TRAIN_TARGETS,
    check_enough,
    check_label_counts,
    stratified_test_split,
)
from core.data.group_split import group_split
from core.data.labels import FEW_TRAIN_PER_CLASS, MIN_TRAIN_PER_CLASS, hint_of_spelling
from core.data.split_keys import SplitKeys
from core.data.split_rule import AT_RANDOM, SplitRule
from core.data.split_words import USUAL_SEED
from core.data.splits import class_counts, strata
from core.data.time_split import time_split
from core.errors import InvalidDataset
from core.protocol.contracts.datasets import SplitKind, SplitSpec

Indices = NDArray[np.intp]

TEST_SHARE = 0.2
_FAR = 0.1  # from this difference of shares on, a warning
_USUAL_VALIDATION = 0.2  # share of the training examples


@dataclass(frozen=True, slots=True)
class Division:
    """Which examples of the part "train" of a file are for training, and which for the test."""

    train: Indices
    test: Indices | None  # None: the file has a part "test"
    rule: SplitRule  # of the training examples, followed by the part "validation" if there is one
    split: SplitSpec
    groups: Mapping[str, int]  # how many a split has, by its name; empty where there are none
    warnings: tuple[str, ...]


def divided(
    labels: Mapping[str, NDArray[Any]],
    class_names: tuple[str, ...],  # empty: numbers are predicted
    keys: SplitKeys | None,
    seed: int | None,
) -> Division:
    """The division of the examples with these labels, by part: "train", "validation", "test".

    Without a test part a fifth is set aside: of each class, or by the groups or times in `keys`.
    Raises InvalidDataset where there are too few examples, groups or times.
    """
    if keys is not None:
        _check_keys(keys, labels)
    train, test = _set_aside(labels, class_names, keys, seed)
    y = labels["train"][train]
    rule = _rule(keys, train, len(labels.get("validation", ())))
    warnings: list[str] = []
    if keys is not None:
        _check_divided(keys, y, class_names)
        warnings += _warnings(keys, train, test)
        warnings += [] if test is None else _far_from_a_fifth(keys, len(test), len(labels["train"]))
    warnings += _unseen(rule, y, class_names)
    warnings += _rare(y, class_names)
    return Division(
        train, test, rule, _spec(keys, rule, labels, test, seed), _groups(keys, train, test),
        tuple(warnings),
    )  # fmt: skip


def _spec(
    keys: SplitKeys | None, rule: SplitRule, labels: Mapping[str, NDArray[Any]],
    test: Indices | None, seed: int | None,
) -> SplitSpec:  # fmt: skip
    by = SplitKind.RANDOM if keys is None else keys.kind
    kind = SplitKind.GIVEN if test is None else by
    is_drawn = kind in (SplitKind.RANDOM, SplitKind.GROUP)
    since = ""
    if keys is not None and test is not None and kind is SplitKind.TIME:
        since = keys.text(int(keys.by_part["train"][test].min()))
    return SplitSpec(
        validation=rule.kind,
        test=kind,
        column="" if keys is None else keys.column,
        seed=(USUAL_SEED if seed is None else seed) if is_drawn else None,
        since=since[:64],
        validation_examples=len(labels.get("validation", ())),
    )


def _rule(keys: SplitKeys | None, train: Indices, validation: int) -> SplitRule:
    """How searches draw their validation split; a given one goes before groups and times."""
    if validation:
        marks = np.ones(validation, np.int64)
        if keys is not None and keys.kind is SplitKind.GROUP and "validation" in keys.by_part:
            marks = keys.by_part["validation"] + 2
        return SplitRule(SplitKind.GIVEN, np.concatenate([np.zeros(len(train), np.int64), marks]))
    return AT_RANDOM if keys is None else SplitRule(keys.kind, keys.by_part["train"][train])


def _groups(keys: SplitKeys | None, train: Indices, test: Indices | None) -> dict[str, int]:
    if keys is None or keys.kind is not SplitKind.GROUP:
        return {}
    parts = _parts(keys, train, test)
    return {part: len(np.unique(numbers)) for part, numbers in parts.items()}


# --- the test split ---------------------------------------------------------------------------


def _set_aside(
    labels: Mapping[str, NDArray[Any]],
    class_names: tuple[str, ...],
    keys: SplitKeys | None,
    seed: int | None,
) -> tuple[Indices, Indices | None]:
    """Indices (train, test) into the part "train"."""
    y = labels["train"]
    if "test" in labels:
        return np.arange(len(y)), None
    _check_enough(y, class_names)
    seed = USUAL_SEED if seed is None else seed
    if keys is None:
        return stratified_test_split(strata(y), TEST_SHARE, seed)
    numbers = keys.by_part["train"]
    if keys.kind is SplitKind.TIME:
        return time_split(numbers, TEST_SHARE)
    least = MIN_TRAIN_PER_CLASS if class_names else 1
    return group_split(strata(y), numbers, TEST_SHARE, seed, least)


def _check_enough(y: NDArray[Any], names: tuple[str, ...]) -> None:
    """Raise InvalidDataset where there are too few examples, or too few of a class."""
    if not names:
        check_enough(len(y), "train", MIN_TRAIN_TARGETS + MIN_TEST_TARGETS)
        return
    if y.ndim == 2:
        check_label_counts(y, names, MIN_TRAIN_PER_CLASS + 1)
        return
    counts = class_counts(y, len(names))
    if len(names) > 1 and counts.min() <= MIN_TRAIN_PER_CLASS:
        rare = names[int(counts.argmin())]
        raise InvalidDataset(
            f"class {rare!r} has {counts.min()} example(s); expected at least "
            f"{MIN_TRAIN_PER_CLASS + 1}: {MIN_TRAIN_PER_CLASS} to train on and one to test on. Add "
            "examples, remove the class, or give test examples of your own"
            f"{hint_of_spelling(rare, names)}"
        )


# --- groups and times -------------------------------------------------------------------------


def _check_keys(keys: SplitKeys, labels: Mapping[str, NDArray[Any]]) -> None:
    """Raise InvalidDataset where there are too few groups or times, or not one an example."""
    for part, numbers in keys.by_part.items():
        if len(numbers) != len(labels[part]):
            raise InvalidDataset(
                f"found {len(labels[part])} {part} examples and {len(numbers)} values of "
                f"{keys.source}; expected one for each example"
            )
    uses = ["train on", *(["validate on"] if "validation" not in labels else [])]
    uses += ["test on"] if "test" not in labels else []
    found = keys.count("train")
    if found < len(uses):
        raise InvalidDataset(
            f"{keys.source} has {keys.in_words(found)} among the training examples; expected at "
            f"least {len(uses)}: one to {', one to '.join(uses)}. Give examples of more, or leave "
            "the split by it out"
        )


def _check_divided(keys: SplitKeys, y: NDArray[Any], class_names: tuple[str, ...]) -> None:
    """Raise InvalidDataset where the split by groups or times leaves too few training examples."""
    counts = class_counts(y, len(class_names)) if class_names else np.array([len(y)])
    least = MIN_TRAIN_PER_CLASS if class_names else MIN_TRAIN_TARGETS
    if counts.min() >= least:
        return
    word = "class" if y.ndim == 1 else "label"
    of = f" of {word} {class_names[int(counts.argmin())]!r}" if class_names else ""
    raise InvalidDataset(
        f"the split by {keys.source} leaves {counts.min()} training examples{of}; expected at "
        f"least {least}: add examples, give test examples of your own, or leave this split out"
    )


def _parts(keys: SplitKeys, train: Indices, test: Indices | None) -> dict[str, NDArray[np.int64]]:
    """The keys of each split."""
    own = keys.by_part["train"]
    set_aside = {} if test is None else {"test": own[test]}
    return {**keys.by_part, "train": own[train], **set_aside}


def _warnings(keys: SplitKeys, train: Indices, test: Indices | None) -> list[str]:
    """What is wrong with the splits that the files have."""
    parts = _parts(keys, train, test)
    found = []
    pairs = (("train", "validation"), ("train", "test"), ("validation", "test"))
    words = {"train": "in training", "validation": "in validation", "test": "in the test"}
    for first, second in pairs:
        if first not in parts or second not in parts:
            continue
        results = "test" if second == "test" else "validation"
        where = f"{words[second]} and {words[first]} as well"
        if keys.kind is SplitKind.GROUP:
            common = len(np.intersect1d(parts[first], parts[second]))
            text = f"groups of {keys.source} {where}: {common:,}"
        else:
            common = int((parts[second] <= parts[first].max()).sum())
            text = (
                f"examples {words[second]} that are not later, by {keys.source}, than all "
                f"{words[first]}: {common:,} of {len(parts[second]):,}"
            )
        found += [f"{text}; the {results} result will be too good"] if common else []
    count = keys.count("train")
    if keys.kind is SplitKind.GROUP and count == len(keys.by_part["train"]):
        found.append(f"each example has a group of its own in {keys.source}: no two stay together")
    return found


def _far_from_a_fifth(keys: SplitKeys, test: int, examples: int) -> list[str]:
    share = test / examples
    if abs(share - TEST_SHARE) <= _FAR:
        return []
    why = "groups" if keys.kind is SplitKind.GROUP else "equal times"
    return [f"the test split has {share:.0%} of the examples, not a fifth: {why} stay together"]


def _rare(y: NDArray[Any], class_names: tuple[str, ...]) -> list[str]:
    """A warning for classes of which few examples are trained on."""
    if not class_names:
        return []
    counts = class_counts(y, len(class_names))
    rare = np.flatnonzero(counts < FEW_TRAIN_PER_CLASS)
    if not len(rare):
        return []
    fewest = class_names[int(counts.argmin())]
    word, words = ("class", "classes") if y.ndim == 1 else ("label", "labels")
    return [
        f"fewer than {FEW_TRAIN_PER_CLASS} training examples of {len(rare)} of {len(class_names)} "
        f"{words} ({counts.min()} of {word} {fewest!r}), which can hardly be learned: add "
        f"examples, or remove them{hint_of_spelling(fewest, class_names)}"
    ]


def _unseen(rule: SplitRule, y: NDArray[Any], class_names: tuple[str, ...]) -> list[str]:
    """A warning for classes that are only in the validation split of a search."""
    if rule.keys is None or rule.kind is SplitKind.GIVEN or not class_names:
        return []
    training, _ = rule.validation(y, _USUAL_VALIDATION, 0)
    missing = np.flatnonzero(class_counts(y[training], len(class_names)) == 0)
    if not len(missing):
        return []
    names = ", ".join(class_names[index] for index in missing[:6])
    why = "one group only" if rule.kind is SplitKind.GROUP else "the latest examples only"
    word = "class" if y.ndim == 1 else "label"
    if len(class_names) - len(missing) < 2:
        raise InvalidDataset(
            f"{word} {names} is in {why}, so that a search could train on one {word} alone; "
            f"expected at least two on both sides: add examples, or leave this split out"
        )
    return [f"{word} {names} is in {why}: a search may validate on it without training on it"]
