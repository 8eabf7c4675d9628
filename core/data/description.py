"""What a data set was taken for, and what may be wrong with it: checked before training."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from core.data import scratch
from core.data.datasets import Arrays
from core.data.layouts import Layout
from core.data.split_words import test_split_in_words
from core.data.splits import class_counts
from core.data.statistics import (
    ChannelStatistics,
    constant_in_words,
    number_in_words,
    range_in_words,
    varies_by_rounding,
)
from core.data.tables.encoding import Learned
from core.protocol.contracts import DatasetSpec, Finite, Message, SplitKind

_DIGEST = 16  # bytes: equal digests of different examples are as good as impossible
_NAMED = 6  # classes whose names are in the summary
_UNBALANCED = 10  # times as many examples in the largest class as in the smallest
_RARE, _RARE_OF_EVEN = 0.05, 0.5  # share of a rare class: of all examples, and of an even share


class SplitFacts(Message):
    """One split of a data set."""

    name: str = Field(
        description="`train` or `test`; `validation`, between them, where the files have it"
    )
    examples: int = Field(description="number of examples")
    by_class: tuple[int, ...] = Field(
        description="examples of each class, in the order of the class names; of regression empty"
    )
    given: bool = Field(
        description="whether it is a split of its own in the files; else Netmorph took it from "
        "the rest"
    )
    groups: int = Field(default=0, description="groups that it has, where groups are kept apart")


class TargetFacts(Message):
    """A number that is predicted, over all examples."""

    name: str = Field(description="name of the number")
    least: Finite = Field(description="least value")
    greatest: Finite = Field(description="greatest value")
    mean: Finite = Field(description="mean value")
    std: Finite = Field(description="standard deviation")


class Repetitions(Message):
    """Examples that occur more than once, byte by byte."""

    in_train: int = Field(description="training examples equal to an earlier one")
    in_test: int = Field(description="test examples equal to an earlier one")
    leaked: int = Field(description="test examples that are training examples, too")
    validation_leaked: int = Field(
        default=0, description="examples of a given validation split that are training examples"
    )
    contradictory: int = Field(
        description="examples equal to an earlier one of another class or target"
    )


class ColumnFacts(Message):
    """How one column of a table was understood."""

    name: str = Field(description="name of the column")
    taken_as: str = Field(description="`target`, `number`, `date`, `category` or `left out`")
    features: int = Field(description="numbers that it becomes")
    reason: str = Field(description="why it was taken so")


class DatasetDescription(Message):
    """How the files of a data set were understood."""

    format: str = Field(
        description="format of the files, one that `GET /v1/datasets/intake` lists, or `built-in`"
    )
    task: str = Field(description="task type that the labels are for")
    task_reason: str = Field(description="why it was taken for that")
    kind: str = Field(description="kind of the examples: `images`, `signals`, `vectors` or `texts`")
    layout: str = Field(description="axes of the examples as they came, such as `NHWC`")
    layout_reason: str = Field(description="why they were taken for that")
    values: str = Field(description="type of the numbers as they came, such as `float64`")
    least: Finite = Field(description="least of all values")
    greatest: Finite = Field(description="greatest of all values")
    splits: tuple[SplitFacts, ...] = Field(description="splits of the data set")
    targets: tuple[TargetFacts, ...] = Field(
        default=(), description="of regression: the numbers to predict"
    )
    repetitions: Repetitions = Field(description="examples that occur more than once")
    columns: tuple[ColumnFacts, ...] = Field(
        default=(), description="of a table: how its columns were understood"
    )
    notes: tuple[str, ...] = Field(description="what was done to the data")
    warnings: tuple[str, ...] = Field(description="what may be wrong with the data")
    summary: tuple[str, ...] = Field(description="all of this in sentences")


def describe(
    arrays: Arrays,
    spec: DatasetSpec,
    layout: Layout,
    *,
    format: str,
    values: str,
    test_given: bool,
    learned: Sequence[Learned] = (),
    notes: Sequence[str] = (),
    warnings: Sequence[str] = (),
    task_reason: str = "",
    groups: Mapping[str, int] | None = None,
) -> DatasetDescription:
    """The description of a data set; `notes` and `warnings` are those of reading it.

    `groups` says how many each split has.
    """
    train, test = _read(arrays.x_train), _read(arrays.x_test)
    repetitions = _repetitions(arrays, train.digests, test.digests)
    facts = DatasetDescription(
        format=format,
        task=arrays.task,
        task_reason=task_reason or f"each example has one of {spec.classes} labels",
        kind=layout.kind if spec.text is None else "texts",
        layout=layout.letters,
        layout_reason=layout.reason,
        values=values,
        least=min(train.least, test.least),
        greatest=max(train.greatest, test.greatest),
        splits=_splits(arrays, spec.classes, groups or {}, test_given=test_given),
        targets=_targets(arrays),
        repetitions=repetitions,
        columns=_columns(spec, learned),
        notes=tuple(notes),
        warnings=(),
        summary=(),
    )
    more = (*warnings, *_warnings(facts, spec, train.constant))
    return facts.model_copy(update={"warnings": more, "summary": _summary(facts, spec)})


def _splits(
    arrays: Arrays, classes: int, groups: Mapping[str, int], *, test_given: bool
) -> tuple[SplitFacts, ...]:
    """The facts of each split; examples of a given validation split are not for training."""
    train, validation = _given_validation(arrays)
    parts = {"train": arrays.y_train[train], "validation": arrays.y_train[validation]}
    return tuple(
        SplitFacts(
            name=name, examples=len(y), given=name != "test" or test_given,
            by_class=tuple(class_counts(y, classes).tolist()) if classes else (),
            groups=groups.get(name, 0),
        )
        for name, y in {**parts, "test": arrays.y_test}.items()
        if len(y) or name != "validation"
    )  # fmt: skip


def _given_validation(arrays: Arrays) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Indices (training, validation) of the training examples, as the files divide them."""
    if arrays.rule.kind is SplitKind.GIVEN:
        return arrays.rule.validation(arrays.y_train, 0.0, 0)
    return np.arange(len(arrays.y_train)), np.empty(0, np.intp)


def _targets(arrays: Arrays) -> tuple[TargetFacts, ...]:
    """The facts of each target; none of classes."""
    if not arrays.target_names:
        return ()
    found = ChannelStatistics.of(np.concatenate([arrays.y_train, arrays.y_test]))
    columns = zip(arrays.target_names, found.low, found.high, found.mean, found.std, strict=True)
    return tuple(
        TargetFacts(name=name, least=low, greatest=high, mean=mean, std=std)
        for name, low, high, mean, std in columns
    )


def _columns(spec: DatasetSpec, learned: Sequence[Learned]) -> tuple[ColumnFacts, ...]:
    """How the columns of a table were understood, the target first."""
    if spec.table is None:
        return ()
    meaning = f"{spec.classes} classes" if spec.classes else "a number to predict"
    names = spec.target_names or (spec.table.target,)
    if spec.multi_label:
        names, meaning = spec.class_names, "a label"
    targets = (
        ColumnFacts(name=name, taken_as="target", features=0, reason=meaning) for name in names
    )
    return (*targets, *(_column(one) for one in learned))


def _column(learned: Learned) -> ColumnFacts:
    spec = learned.spec
    return ColumnFacts(
        name=learned.name,
        taken_as="left out" if spec is None else spec.kind,
        features=0 if spec is None else spec.features,
        reason=learned.reason,
    )


# --- repetitions ------------------------------------------------------------------------------


def _repetitions(arrays: Arrays, train: Sequence[bytes], test: Sequence[bytes]) -> Repetitions:
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
    train, validation = _given_validation(arrays)
    known = {digests[index] for index in train.tolist()} if len(validation) else set()
    return sum(digests[index] in known for index in validation.tolist())


@dataclass(frozen=True, slots=True)
class _Read:
    """What one pass over examples finds."""

    least: float
    greatest: float
    constant: tuple[int, ...]  # the channels that do not vary
    digests: Sequence[bytes]  # of each example


def _read(x: NDArray[Any]) -> _Read:
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
    return _Read(float(low.min()), float(high.max()), tuple(constant.tolist()), digests)


def _digest(example: NDArray[Any]) -> bytes:
    return hashlib.blake2b(example.data, digest_size=_DIGEST).digest()


# --- sentences --------------------------------------------------------------------------------


def _summary(facts: DatasetDescription, spec: DatasetSpec) -> tuple[str, ...]:
    values = f"{range_in_words(facts.least, facts.greatest)} ({facts.values}, kept as {spec.dtype})"
    return (
        f"{sum(split.examples for split in facts.splits):,} {_data(facts, spec)}",
        _classes(facts, spec) if spec.classes else _numbers(facts.targets),
        _divided(facts, spec),
        *([f"values from {values}"] if spec.table is None and spec.text is None else []),
        f"task {_task(facts, spec)}: {facts.task_reason}",
    )


def _task(facts: DatasetDescription, spec: DatasetSpec) -> str:
    return "classification" if spec.classes and not spec.multi_label else facts.task


_PURPOSES = {"train": "train", "validation": "validate", "test": "test"}


def _divided(facts: DatasetDescription, spec: DatasetSpec) -> str:
    """The splits, in words."""
    (_, first), *others = ((_PURPOSES[split.name], split) for split in facts.splits)
    sizes = [f"{first.examples:,} examples to train on{_groups(first)}"]
    sizes += [f"{one.examples:,} to {verb} on{_groups(one)}" for verb, one in others]
    return f"{', '.join(sizes)} ({test_split_in_words(spec) or 'as in the files'})"


def _groups(split: SplitFacts) -> str:
    if not split.groups:
        return ""
    return f" ({split.groups:,} group{'s' * (split.groups > 1)})"


def _data(facts: DatasetDescription, spec: DatasetSpec) -> str:
    """What the examples are, and how they were arranged in the files, in words."""
    if spec.table is not None:
        return _rows(facts, spec)
    if spec.text is not None:
        source = "" if spec.text.column is None else f" of the column {spec.text.column!r}"
        return f"texts{source}, as {spec.text.length} tokens of {spec.text.vocabulary:,}"
    examples = _examples(facts.kind, spec.input_shape, are_padded=spec.padded is not None)
    return f"{examples} (axes {facts.layout}: {facts.layout_reason})"


def _rows(facts: DatasetDescription, spec: DatasetSpec) -> str:
    """The rows of a table and what they become, in words."""
    kinds = [one.taken_as for one in facts.columns]
    words = {"number": "numbers", "category": "categories", "date": "dates", "left out": "left out"}
    counts = {kind: kinds.count(kind) for kind in words if kind in kinds}
    found = ", ".join(f"{n} {kind if n == 1 else words[kind]}" for kind, n in counts.items())
    targets = [repr(one.name) for one in facts.columns if one.taken_as == "target"]
    several = f"{', '.join(targets[:_NAMED])}{', …' if len(targets) > _NAMED else ''}"
    return (
        f"rows of {len(kinds)} columns: the target{'s' * (len(targets) > 1)} {several}, {found}; "
        "they become "
        f"{spec.input_shape[0]} feature{'s' * (spec.input_shape[0] > 1)}"
    )


def _classes(facts: DatasetDescription, spec: DatasetSpec) -> str:
    """The classes and how many examples they have, in words."""
    counts = [sum(of_class) for of_class in zip(*(s.by_class for s in facts.splits), strict=True)]
    names = ", ".join(spec.class_names[:_NAMED]) + (", …" if spec.classes > _NAMED else "")
    least, most = min(counts), max(counts)
    each = f"{least:,}" if least == most else f"{least:,} to {most:,}"
    if spec.multi_label:
        mean = sum(counts) / sum(split.examples for split in facts.splits)
        return (
            f"{spec.classes} labels in {each} examples each, {mean:.3g} in an example on average: "
            f"{names}"
        )
    return f"{spec.classes} classes of {each} examples: {names}"


def _numbers(targets: Sequence[TargetFacts]) -> str:
    """The numbers to predict, in words."""
    words = "; ".join(
        f"{one.name} from {number_in_words(one.least, one.std)} to "
        f"{number_in_words(one.greatest, one.std)}, mean {number_in_words(one.mean, one.std)}, "
        f"standard deviation {number_in_words(one.std, one.std)}"
        for one in targets[:_NAMED]
    )
    more = "; …" if len(targets) > _NAMED else ""
    return f"{len(targets)} number{'s' * (len(targets) > 1)} to predict: {words}{more}"


def _examples(kind: str, shape: tuple[int, ...], *, are_padded: bool) -> str:
    """What the examples are, in words."""
    if kind == "images":
        channels, height, width = shape
        colours = {1: "grey images", 3: "colour images"}.get(channels, f"{channels}-channel images")
        return f"{colours} of {height} × {width} pixels"
    if kind == "signals":
        channels, steps = shape[0] - are_padded, f"{'up to ' * are_padded}{shape[1]}"
        return f"signals of {steps} steps and {channels} channel{'s' * (channels > 1)}"
    return f"vectors of {shape[0]} features"


def _warnings(
    facts: DatasetDescription, spec: DatasetSpec, constant: tuple[int, ...]
) -> tuple[str, ...]:
    """What the numbers say about possible faults of the data; some channels are constant."""
    train, test = facts.splits[0], facts.splits[-1]
    found: list[str] = []
    repeated = facts.repetitions
    if repeated.leaked:
        found.append(
            f"{repeated.leaked:,} of {test.examples:,} test examples also occur in training: the "
            "test result will be too good"
        )
    if repeated.validation_leaked:
        found.append(
            f"{repeated.validation_leaked:,} of {facts.splits[1].examples:,} validation examples "
            "also occur in training: the search will prefer networks that memorise"
        )
    if repeated.in_train:
        found.append(f"repetitions of earlier training examples: {repeated.in_train:,}")
    if repeated.contradictory:
        found.append(
            f"examples that equal another one with a different label: {repeated.contradictory:,}"
        )
    if spec.multi_label:
        found += _rare_labels(train, spec)
    elif spec.classes and _is_unbalanced(train.by_class):
        rare, most = (spec.class_names[train.by_class.index(f(train.by_class))] for f in (min, max))
        found.append(
            f"class {most!r} has {max(train.by_class):,} training examples, class {rare!r} "
            f"{min(train.by_class):,} ({min(train.by_class) / train.examples:.1%}): accuracy says "
            "little about rare classes; consider --metric balanced-accuracy and "
            "--class-weights balanced"
        )
    counts = zip(spec.class_names, test.by_class, strict=True)  # of regression empty
    if missing := [name for name, count in counts if not count]:
        found.append(f"no test example is of class {', '.join(missing[:_NAMED])}")
    if facts.least == facts.greatest:
        found.append("all values are equal: nothing can be learned from them")
    elif constant and spec.table is None and spec.text is None:
        found.append(constant_in_words(constant, spec.input_shape))
    return tuple(found)


def _is_unbalanced(counts: Sequence[int]) -> bool:
    """Whether the smallest class is far smaller than the largest one, or rare."""
    least, total = min(counts), sum(counts)
    is_rare = least < _RARE * total and least < _RARE_OF_EVEN * total / len(counts)
    return is_rare or max(counts) >= _UNBALANCED * least


def _rare_labels(train: SplitFacts, spec: DatasetSpec) -> list[str]:
    """A warning about labels that few training examples have."""
    counts = zip(spec.class_names, train.by_class, strict=True)
    rare = [f"{name!r} ({count:,})" for name, count in counts if count < _RARE * train.examples]
    if not rare:
        return []
    return [
        f"less than {_RARE:.0%} of the training examples have the label {', '.join(rare[:_NAMED])}"
        f"{', …' if len(rare) > _NAMED else ''}: consider --class-weights balanced"
    ]
