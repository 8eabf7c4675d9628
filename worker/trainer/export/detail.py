"""What the test split says beyond the metrics: each class or target, confusions, calibration.

Notation
    n      test examples
    C      classes, or labels
    p      probabilities: (n, C)
    B      bins of equal width that the probabilities are sorted into
    ECE    Σ (n_b / n) |observed_b - predicted_b|, the expected calibration error (Guo et al. 2017,
           arXiv:1706.04599, eq. 3), here of the most probable class, or of all labels together
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from core.protocol.contracts.datasets import DatasetSpec
from core.tasks import TASKS
from core.tasks.multi_label import THRESHOLD
from worker.tasks import AbstractLoss

BINS = 10
MOST_CONFUSED = 100  # classes of a confusion matrix in `metrics.json`; of more it would be too long
COVERED = 0.9  # share of the examples whose error is at most the one that is told

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class TestDetail:
    """The results on the test split in detail, as values of JSON."""

    __test__ = False  # tells pytest that this is not a test class

    stds: dict[str, float]  # standard errors of the metrics that were not optimised, by name
    classes: list[dict[str, Any]]  # of each class or label; empty for numbers
    confusion: list[
        list[int]
    ]  # actual class, predicted class -> examples; empty where there is none
    calibration: dict[str, Any]  # empty for numbers, which have no probabilities
    targets: list[dict[str, Any]]  # of each number to predict; empty for classes

    def to_json(self) -> dict[str, Any]:
        """The results by their names in `metrics.json`; those that there are none of left out."""
        found = {
            "test_stds": self.stds,
            "classes": self.classes,
            "confusion": self.confusion if len(self.confusion) <= MOST_CONFUSED else [],
            "calibration": self.calibration,
            "targets": self.targets,
        }
        return {name: value for name, value in found.items() if value}


def detail_of(spec: DatasetSpec, tested: Tensor, targets: Tensor, loss: AbstractLoss) -> TestDetail:
    """The details of the outputs for the test split, (n, outputs), and of its targets."""
    stds = _stds(tested, targets, loss)
    outputs, actual = tested.detach().double().cpu().numpy(), targets.cpu().numpy()
    if not spec.classes:
        scale = np.array(loss.scale or [1.0] * outputs.shape[1])
        errors = (outputs - actual.astype(np.float64)) * scale
        return TestDetail(stds, [], [], {}, _of_targets(spec.target_names, errors))
    if spec.multi_label:
        p, is_of = 1 / (1 + np.exp(-outputs)), actual > 0
        predicted = p >= THRESHOLD
        calibration = _calibration(p.ravel(), is_of.ravel())
        return TestDetail(stds, _of_classes(spec, predicted, is_of), [], calibration, [])
    p = np.exp(outputs - outputs.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    answers, every = outputs.argmax(axis=1), np.arange(outputs.shape[1])
    classes = _of_classes(spec, answers[:, None] == every, actual[:, None] == every)
    calibration = _calibration(p.max(axis=1), answers == actual)
    return TestDetail(stds, classes, _confusion(actual, answers, len(every)), calibration, [])


def _stds(outputs: Tensor, targets: Tensor, loss: AbstractLoss) -> dict[str, float]:
    """The standard errors of the metrics of the task that were not optimised, by name."""
    reported = loss.other_metrics(outputs, targets)
    return {
        one.name: type(loss)(one.kind, names=loss.names, scale=loss.scale).metric_std(
            outputs, targets
        )
        for one in loss.task.others
        if one.name in reported
    }


def _of_classes(spec: DatasetSpec, predicted: Bools, actual: Bools) -> list[dict[str, Any]]:
    """Precision, recall and F1 of each class: (n, C), (n, C); None where nothing is counted."""
    right, found, there = (
        one.sum(axis=0).tolist() for one in (predicted & actual, predicted, actual)
    )
    return [
        {
            "name": name,
            "examples": there[index],
            "predicted": found[index],
            "right": right[index],
            "precision": _share(right[index], found[index]),
            "recall": _share(right[index], there[index]),
            "recall_std": _share_std(right[index], there[index]),
            "f1": _share(2 * right[index], found[index] + there[index]),
        }
        for index, name in enumerate(spec.class_names)
    ]


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _share_std(part: int, whole: int) -> float | None:
    """The standard error of a share, as that of an accuracy."""
    return TASKS["image-classification"]().value_std(part / whole, whole) if whole else None


def _confusion(
    actual: NDArray[np.int64], predicted: NDArray[np.int64], classes: int
) -> list[list[int]]:
    counts = np.bincount(actual * classes + predicted, minlength=classes**2)
    found: list[list[int]] = counts.reshape(classes, classes).tolist()
    return found


def _calibration(predicted: Floats, observed: Bools) -> dict[str, Any]:
    """How probabilities compare with what is observed: (n,), (n,)"""
    bins = np.minimum((predicted * BINS).astype(np.int64), BINS - 1)
    rows, error = [], 0.0
    for index in range(BINS):
        inside = bins == index
        if inside.any():
            mean, share = float(predicted[inside].mean()), float(observed[inside].mean())
            error += float(inside.mean()) * abs(share - mean)
            rows.append(
                {
                    "from": index / BINS,
                    "to": (index + 1) / BINS,
                    "count": int(inside.sum()),
                    "predicted": mean,
                    "observed": share,
                }
            )
    return {"expected_error": error, "bins": rows}


def _of_targets(names: tuple[str, ...], errors: Floats) -> list[dict[str, Any]]:
    """The errors of each number, predicted less actual, in the user's units: (n, targets)"""
    return [
        {
            "name": name,
            "mean_error": float(of.mean()),
            "mean_error_std": float(of.std() / np.sqrt(len(of))),
            "median_absolute_error": float(np.median(abs(of))),
            "covered_absolute_error": float(np.quantile(abs(of), COVERED)),
            "largest_absolute_error": float(abs(of).max()),
        }
        for name, of in zip(names, errors.T, strict=True)
    ]
