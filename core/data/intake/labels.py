"""Labels as classes, as sets of labels, or as numbers to predict."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.data.label_sets import label_sets_of
from core.data.labels import classes_of, merged
from core.data.tables.far_values import about_far_targets
from core.data.targets import CLASSIFICATION, may_be_targets, targets_of
from core.errors import InvalidDataset

_NUMBERS = "if the labels are numbers to predict, give the task regression (--task regression)"


@contextmanager
def regression_suggested(labels: NDArray[Any], task: str | None) -> Iterator[None]:
    """Add the way to predict numbers to errors, where labels may be some and no task is given."""
    try:
        yield
    except InvalidDataset as error:
        if task is None and may_be_targets(labels) and "regression" not in str(error):
            raise InvalidDataset(f"{error}; {_NUMBERS}") from None
        raise


@dataclass(frozen=True, slots=True)
class Labels:
    """Class numbers (n,), label sets (n, labels), or targets (n, targets), by split."""

    numbers: Mapping[str, NDArray[Any]]
    class_names: tuple[str, ...] = ()
    target_names: tuple[str, ...] = ()
    reason: str = ""  # why they are targets, or several labels
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def understand_labels(
    found: Mapping[str, NDArray[Any]],
    task: str | None,
    class_names: tuple[str, ...] | None = None,
    target_names: tuple[str, ...] = (),
    *,
    merge: bool = False,
) -> Labels:
    """The labels as targets where they are such, else as classes; class names mean classes.

    `target_names` name the targets, if the labels are such; without any they are y, or y0, y1, ….
    With `merge`, texts that differ only in capital letters or blanks are one label.
    """
    if (sets := label_sets_of(found, task, class_names, merge=merge)) is not None:
        return Labels(
            sets.values, sets.names, reason=sets.reason, notes=sets.notes, warnings=sets.warnings
        )
    notes: tuple[str, ...] = ()
    if merge:
        found, notes = merged(found, class_names)
    if task is None and class_names is not None:
        task = CLASSIFICATION
    if (targets := targets_of(found, task)) is not None:
        names = target_names or targets.names
        warnings = about_far_targets(names, np.concatenate([*targets.values.values()]))
        return Labels(targets.values, target_names=names, reason=targets.reason, warnings=warnings)
    classes = classes_of(found, class_names)
    warnings = classes.warnings
    if task is None and may_be_targets(found["train"]):
        warnings = (
            *warnings,
            f"{len(classes.names)} whole numbers are taken as classes; {_NUMBERS}",
        )
    notes += classes.notes
    return Labels(classes.numbers, classes.names, notes=notes, warnings=warnings)
