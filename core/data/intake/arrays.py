"""What the arrays of a file mean, as far as the options do not say it."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from numpy.typing import NDArray

from core.data.division import Division, divided
from core.data.formats import Part, RawData, ReadOptions
from core.data.intake.assembly import Intake, about_validation, arranged, of_arrays
from core.data.intake.examples import check_lengths, prepared, types_of
from core.data.intake.features import about_features
from core.data.intake.labels import Labels, understand_labels
from core.data.intake.texts import of_texts
from core.data.layouts import Layout, layout_of
from core.data.padding import masked
from core.data.split_keys import SplitKeys, keys_of
from core.errors import InvalidDataset
from core.protocol.contracts.datasets import SplitKind

PADDED = (
    "signals of different lengths: the shorter ones are continued by their last values; one more "
    "channel is 1 where there are values and 0 behind them"
)


def understand_arrays(
    kind: str, examples: Mapping[str, NDArray[Any]], raw: RawData, options: ReadOptions
) -> Intake:
    """What the arrays of a file mean, as far as the options do not say it."""
    layout = options.layout
    axes = layout_of(examples["train"].shape, layout or raw.layout, _reason(layout, raw))
    found = {split: part.y for split, part in raw.parts.items()}
    labels = understand_labels(
        found, options.task or raw.task, raw.class_names, raw.target_names,
        merge=options.merge_labels,
    )  # fmt: skip
    check_lengths(examples, labels.numbers)
    keys = raw.keys or _keys_in(raw.parts)
    division = divided(labels.numbers, labels.class_names, keys, options.split_seed)
    return of_examples(
        kind, examples, axes, labels, division,
        notes=raw.notes, warnings=raw.warnings, image_mode=raw.image_mode,
    )  # fmt: skip


def of_examples(
    kind: str, examples: Mapping[str, NDArray[Any]], axes: Layout, labels: Labels,
    division: Division, *, notes: Sequence[str], warnings: Sequence[str],
    image_mode: str | None = None,
) -> Intake:  # fmt: skip
    """The data set of numeric examples by part, with these axes, and their labels."""
    values = types_of(examples)
    stored, padded, about = axes, None, list[str]()
    if (signals := masked(examples, axes)) is not None:
        examples, stored, padded = signals, Layout("NCL", axes.reason), axes.letters
        about.append(PADDED)
    x, dtype = prepared(examples, stored)
    arrays = replace(
        arranged(x, labels.numbers, labels, division, dtype), layout=stored.letters,
        image_mode=image_mode, padded=padded,
    )  # fmt: skip
    about_x = about_features(x["train"]) if axes.kind == "vectors" else []
    doubts = [axes.warning, *warnings, *labels.warnings, *about_x, *division.warnings]
    return of_arrays(
        arrays, kind=kind, axes=axes, values=values, test_given=division.test is None,
        notes=[*about, *notes, *labels.notes, *about_validation(division)],
        warnings=[one for one in doubts if one], task_reason=labels.reason,
        groups=division.groups,
    )  # fmt: skip


def _keys_in(parts: Mapping[str, Part]) -> SplitKeys | None:
    """The groups or times in arrays, by which splits are made; None without."""
    groups = {split: part.groups for split, part in parts.items() if part.groups is not None}
    times = {split: part.times for split, part in parts.items() if part.times is not None}
    if not groups and not times:
        return None
    if groups and times:
        raise InvalidDataset("found groups and times; expected one of them: remove the other array")
    found, name = (groups, "groups") if groups else (times, "time")
    if "train" not in found:
        raise InvalidDataset(
            f"found the array {name} for {min(found)} and none for train; expected it for train"
        )
    kind = SplitKind.GROUP if groups else SplitKind.TIME
    return keys_of(kind, found, f"the array {name}")


def _reason(layout: str | None, raw: RawData) -> str:
    """Why the layout is known, if it is."""
    if layout:
        return "as given"
    return "image files" if raw.image_mode else "as the file says"


def understand_texts(
    kind: str, examples: dict[str, NDArray[Any]], raw: RawData, options: ReadOptions
) -> Intake:
    """What texts that are in no table mean."""
    if given := options.layout or raw.layout:
        raise InvalidDataset(
            f"the layout {given[:64]!r} is for numbers, and the examples are texts: leave it out"
        )
    texts = {split: _flat(split, x) for split, x in examples.items()}
    found = {split: part.y for split, part in raw.parts.items()}
    labels = understand_labels(found, options.task, raw.class_names, merge=options.merge_labels)
    check_lengths(texts, labels.numbers)
    keys = _keys_in(raw.parts)
    division = divided(labels.numbers, labels.class_names, keys, options.split_seed)
    return of_texts(
        kind, texts, labels, division, notes=raw.notes,
        warnings=[*raw.warnings, *labels.warnings],
    )  # fmt: skip


def _flat(split: str, x: NDArray[Any]) -> NDArray[Any]:
    """The texts of a split, (N,)"""
    if x.dtype.kind not in "UO" or x.size != len(x):
        raise InvalidDataset(
            f"x is of type {x.dtype} and shape {x.shape} ({split}); expected numbers, or texts of "
            "shape (N,)"
        )
    return x.reshape(-1).astype(object)
