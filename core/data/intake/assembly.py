"""A data set that can be trained on, from its examples, labels and their division."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from numpy.typing import DTypeLike, NDArray

from core.data import scratch
from core.data.datasets import MIN_TEST_TARGETS, Arrays, check_enough, spec, validate
from core.data.description.describe import describe
from core.data.description.facts import DatasetDescription
from core.data.division import Division
from core.data.intake.labels import Labels
from core.data.layouts import Layout
from core.data.tables.encoding import Learned
from core.protocol.contracts.datasets import DatasetSpec


@dataclass(frozen=True, slots=True)
class Intake:
    """A data set that can be trained on, and how it was understood."""

    arrays: Arrays
    spec: DatasetSpec
    description: DatasetDescription

    def with_warning(self, warning: str) -> "Intake":
        """The same data set with one more warning."""
        warnings = (*self.description.warnings, warning)
        return replace(self, description=self.description.model_copy(update={"warnings": warnings}))


def of_arrays(
    arrays: Arrays,
    *,
    kind: str,
    flip: bool = False,  # a mirrored example may have another label
    axes: Layout | None = None,
    values: str = "",
    test_given: bool = True,
    learned: Sequence[Learned] = (),  # of the columns of a table
    notes: Sequence[str] = (),
    warnings: Sequence[str] = (),
    task_reason: str = "",  # why the labels are targets or sets, where they are
    groups: Mapping[str, int] | None = None,  # how many each split has
) -> Intake:
    """A data set of arrays that are ready to be stored; raises InvalidDataset."""
    validate(arrays)
    described = spec(arrays, flip=flip)
    axes = axes or Layout(arrays.layout or "", "built in")
    description = describe(
        arrays, described, axes, format=kind, values=values or described.dtype,
        test_given=test_given, learned=learned, notes=notes,
        warnings=[*warnings, *_hints(axes, described)], task_reason=task_reason, groups=groups,
    )  # fmt: skip
    return Intake(arrays, described, description)


def about_validation(division: Division) -> list[str]:
    """What is done with a validation split that the files have."""
    if not (count := division.split.validation_examples):
        return []
    return [
        f"each search validates on the {count:,} examples of the given validation split; its final "
        "fit trains on most of them, too, and holds the others out to compare the networks on"
    ]


def arranged(
    x: Mapping[str, NDArray[Any]],
    y: Mapping[str, NDArray[Any]],
    labels: Labels,
    division: Division,
    dtype: DTypeLike | None = None,  # of the examples
) -> Arrays:
    """The four arrays, each written once.

    A given validation split stands behind the other training examples.
    """
    if "validation" in x and labels.target_names:
        check_enough(len(y["validation"]), "validation", MIN_TEST_TARGETS)
    x_train, x_test = _divided(x, division, dtype)
    y_train, y_test = _divided(y, division, None)
    return Arrays(
        x_train, y_train, x_test, y_test, labels.class_names,
        target_names=labels.target_names, rule=division.rule, split=division.split,
    )  # fmt: skip


def _divided(
    parts: Mapping[str, NDArray[Any]], division: Division, dtype: DTypeLike | None
) -> tuple[NDArray[Any], NDArray[Any]]:
    """(for training and validation, for the test) of examples or labels."""
    train, kind = parts["train"], parts["train"].dtype if dtype is None else dtype
    given = [(parts["validation"], None)] if "validation" in parts else []
    if division.test is not None:
        test = scratch.copied([(train, division.test)], kind)
        return scratch.copied([(train, division.train), *given], kind), test
    test = scratch.arranged(parts["test"], kind)
    if given:
        return scratch.copied([(train, None), *given], kind), test
    return scratch.arranged(train, kind), test


def _hints(axes: Layout, described: DatasetSpec) -> list[str]:
    """What vectors may be instead."""
    if axes.kind != "vectors" or described.table is not None:
        return []
    (features,) = described.input_shape
    for channels in (1, 3):
        side = round((features / channels) ** 0.5)
        if side >= 8 and channels * side * side == features:
            shape = f"{side}, {side}" + (f", {channels}" if channels > 1 else "")
            return [
                f"vectors of {features} features may be flattened images; if they are, give them "
                f"as x.reshape(-1, {shape})"
            ]
    return []
