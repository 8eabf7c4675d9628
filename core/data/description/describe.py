"""What a data set was taken for, and what may be wrong with it: checked before training."""

from collections.abc import Mapping, Sequence

import numpy as np

from core.data.datasets import Arrays
from core.data.description.facts import ColumnFacts, DatasetDescription, SplitFacts, TargetFacts
from core.data.description.faults import find_faults
from core.data.description.repetitions import count_repetitions, examine, given_validation
from core.data.description.summary import summarise
from core.data.layouts import Layout
from core.data.splits import class_counts
from core.data.statistics import ChannelStatistics
from core.data.tables.encoding import Learned
from core.protocol.contracts.datasets import DatasetSpec


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
    train, test = examine(arrays.x_train), examine(arrays.x_test)
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
        repetitions=count_repetitions(arrays, train.digests, test.digests),
        columns=_columns(spec, learned),
        notes=tuple(notes),
        warnings=(),
        summary=(),
    )
    more = (*warnings, *find_faults(facts, spec, train.constant))
    return facts.model_copy(update={"warnings": more, "summary": summarise(facts, spec)})


def _splits(
    arrays: Arrays, classes: int, groups: Mapping[str, int], *, test_given: bool
) -> tuple[SplitFacts, ...]:
    """The facts of each split; examples of a given validation split are not for training."""
    train, validation = given_validation(arrays)
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
