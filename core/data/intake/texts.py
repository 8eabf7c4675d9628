"""The data set of texts and their labels."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from numpy.typing import NDArray

from core.data.division import Division
from core.data.intake.assembly import Intake, about_validation, arranged, of_arrays
from core.data.intake.labels import Labels
from core.data.layouts import Layout
from core.data.texts.understanding import encoded as encoded_texts


def of_texts(
    kind: str,
    texts: Mapping[str, NDArray[Any]],
    labels: Labels,
    division: Division,
    *,
    column: str | None = None,
    notes: Sequence[str],
    warnings: Sequence[str],
) -> Intake:
    """The data set of texts by part and their labels."""
    by_part = {part: list(of) for part, of in texts.items()}
    found = encoded_texts(by_part, list(texts["train"][division.train]), column)
    axes = Layout("NL", "texts as token numbers")
    arrays = replace(
        arranged(found.x, labels.numbers, labels, division), layout=axes.letters,
        text=found.spec, pieces=found.pieces,
    )  # fmt: skip
    return of_arrays(
        arrays, kind=kind, axes=axes, values="texts", test_given=division.test is None,
        notes=[*notes, *labels.notes, *found.notes, *about_validation(division)],
        warnings=[*warnings, *found.warnings, *division.warnings], task_reason=labels.reason,
        groups=division.groups,
    )  # fmt: skip
