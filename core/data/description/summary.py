"""The facts of a data set in sentences."""

from collections.abc import Sequence

from core.data.description.facts import DatasetDescription, SplitFacts, TargetFacts
from core.data.split_words import test_split_in_words
from core.data.statistics import number_in_words, range_in_words
from core.protocol.contracts.datasets import DatasetSpec

_NAMED = 6  # classes whose names are in the summary


def summarise(facts: DatasetDescription, spec: DatasetSpec) -> tuple[str, ...]:
    """All facts in sentences, the main ones first."""
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
    return f"vectors of {shape[0]} feature{'s' * (shape[0] > 1)}"
