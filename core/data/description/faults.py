"""What the facts of a data set say about possible faults of its data."""

from collections.abc import Sequence

from core.data.description.facts import DatasetDescription, SplitFacts
from core.data.statistics import constant_in_words
from core.protocol.contracts.datasets import DatasetSpec

_NAMED = 6  # classes whose names are in a warning
_UNBALANCED = 10  # times as many examples in the largest class as in the smallest
_RARE, _RARE_OF_EVEN = 0.05, 0.5  # share of a rare class: of all examples, and of an even share


def find_faults(
    facts: DatasetDescription, spec: DatasetSpec, constant: tuple[int, ...]
) -> tuple[str, ...]:
    """What the numbers say about possible faults of the data, given its constant channels."""
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
