"""The part of the model card on the test split: each class or target, confusions, calibration."""

from typing import Any

from worker.trainer.export.detail import COVERED, TestDetail
from worker.trainer.export.markdown import plain, table

MOST_ROWS = 30  # classes of a table
MOST_COLUMNS = 20  # classes of a confusion matrix
MOST_PAIRS = 10  # confused classes, where the matrix is too wide


def detail_section(found: TestDetail, *, multi_label: bool) -> list[str]:
    """The lines of the section."""
    lines = ["## Test results in detail", ""]
    if found.targets:
        return [*lines, *_targets(found.targets)]
    lines += _classes(found.classes)
    if found.confusion:
        lines += _confusion(found)
    return [*lines, *_calibration(found.calibration, multi_label=multi_label)]


def _classes(classes: list[dict[str, Any]]) -> list[str]:
    """Each class or label; of many those that are recognised worst."""
    shown, words = classes, ""
    if len(classes) > MOST_ROWS:
        shown = sorted(classes, key=lambda one: (one["f1"] is None, one["f1"]))[:MOST_ROWS]
        words = f" These are the {MOST_ROWS} of {len(classes)} with the lowest F1."
    rows = [
        [
            plain(one["name"]),
            f"{one['examples']:,}",
            _number(one["precision"]),
            _number(one["recall"])
            + ("" if one["recall"] is None else f" ± {one['recall_std']:.2g}"),
            _number(one["f1"]),
        ]
        for one in shown
    ]
    return [
        "Precision is the share of the answers with a class that are right, recall the share of "
        f"its examples that are found.{words}",
        "",
        *table(("class", "test examples", "precision", "recall", "F1"), rows),
    ]


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _confusion(found: TestDetail) -> list[str]:
    """The confusion matrix; of many classes the pairs that are confused most often."""
    names = [plain(one["name"]) for one in found.classes]
    lines = ["### Confusion matrix", ""]
    if len(names) <= MOST_COLUMNS:
        rows = (
            [f"**{name}**", *map(str, row)]
            for name, row in zip(names, found.confusion, strict=True)
        )
        return [
            *lines,
            "A row for each actual class, a column for each predicted one.",
            "",
            *table(("", *names), rows),
        ]
    pairs = [
        (count, names[actual], names[predicted])
        for actual, row in enumerate(found.confusion)
        for predicted, count in enumerate(row)
        if count and actual != predicted
    ]
    pairs.sort(key=lambda pair: -pair[0])
    lines += ["The pairs that are confused most often; `metrics.json` has up to 100 classes.", ""]
    rows = ([actual, predicted, str(count)] for count, actual, predicted in pairs[:MOST_PAIRS])
    return [*lines, *table(("actual", "predicted", "examples"), rows)]


def _calibration(found: dict[str, Any], *, multi_label: bool) -> list[str]:
    """How far the probabilities can be taken as such."""
    whose = "of all labels" if multi_label else "of the most probable class"
    rows = [
        [
            f"{one['from']:.1f} to {one['to']:.1f}",
            f"{one['count']:,}",
            f"{one['predicted']:.3f}",
            f"{one['observed']:.3f}",
        ]
        for one in found["bins"]
    ]
    return [
        "### Calibration",
        "",
        f"The probabilities {whose} differ by {found['expected_error']:.3f} in the mean (expected "
        "calibration error) from the share of the cases in which they come true.",
        "",
        *table(("probability", "cases", "mean probability", "share that is true"), rows),
    ]


def _targets(targets: list[dict[str, Any]]) -> list[str]:
    """The errors of each number, in the user's units."""
    rows = [
        [
            plain(one["name"]),
            f"{one['mean_error']:.4g} ± {one['mean_error_std']:.2g}",
            *(f"{one[f'{name}_absolute_error']:.4g}" for name in ("median", "covered", "largest")),
        ]
        for one in targets
    ]
    header = (
        "number",
        "mean error (bias)",
        "median of the absolute errors",
        f"{COVERED:.0%} are below",
        "largest",
    )
    return [
        "Errors are the predicted less the actual numbers, in the units of the data set. A "
        "prediction comes without an uncertainty of its own: take these as its.",
        "",
        *table(header, rows),
    ]
