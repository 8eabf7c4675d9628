"""The detailed test results are those of scikit-learn, or of a computation by hand."""

import numpy as np
import pytest
import torch
from sklearn import metrics

from tests.worker.orders import arrays, described
from worker.tasks import LOSSES
from worker.trainer.export.detail import TestDetail, detail_of
from worker.trainer.export.detail_card import MOST_COLUMNS, MOST_PAIRS, MOST_ROWS, detail_section
from worker.trainer.export.markdown import plain

SPEC = described(arrays())


def detail(spec, outputs, targets, loss) -> TestDetail:
    return detail_of(spec, torch.tensor(outputs), torch.tensor(targets), loss)


def of_classes(
    classes: int, examples: int, seed: int = 0
) -> tuple[TestDetail, np.ndarray, np.ndarray]:
    """The details of random logits, with the labels and the logits."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, examples)
    logits = rng.normal(size=(examples, classes)).astype(np.float32)
    logits[np.arange(examples), labels] += 1
    names = tuple(f"class {index}|" for index in range(classes))
    spec = SPEC.model_copy(update={"classes": classes, "class_names": names})
    loss = LOSSES["image-classification"]()
    return detail(spec, logits, labels, loss), labels, logits


def test_classes_and_confusions_are_those_of_scikit_learn():
    found, labels, logits = of_classes(5, 400)
    answers = logits.argmax(axis=1)
    assert found.confusion == metrics.confusion_matrix(labels, answers).tolist()
    expected = metrics.precision_recall_fscore_support(labels, answers)
    names = ("precision", "recall", "f1", "examples")
    for name, values in zip(names, expected, strict=True):
        assert [one[name] for one in found.classes] == pytest.approx(values.tolist())
    assert set(found.stds) == {"balanced accuracy", "macro F1", "AUROC", "log-loss"}
    assert all(0 < std < 0.1 for std in found.stds.values())


def test_a_class_without_examples_or_answers_has_no_shares():
    logits = np.eye(3, dtype=np.float32)[[0, 0, 1, 0]] * 5
    found = detail(SPEC, logits, np.array([0, 0, 1, 1]), LOSSES["image-classification"]())
    assert [one["recall"] for one in found.classes] == [1.0, 0.5, None]
    assert [one["precision"] for one in found.classes] == [2 / 3, 1.0, None]
    lines = detail_section(found, multi_label=False)
    assert "| über \\& out | 0 | – | – | – |" in lines


def test_the_calibration_error_is_the_mean_distance_of_probability_and_share():
    p = np.array([0.62, 0.66, 0.95, 0.97, 0.96])  # of class 0, which is always the answer
    logits = np.log(np.stack([p, (1 - p) / 2, (1 - p) / 2], axis=1))
    labels = np.array([0, 1, 0, 0, 2])
    found = detail(SPEC, logits, labels, LOSSES["image-classification"]()).calibration
    assert [one["count"] for one in found["bins"]] == [2, 3]
    assert [one["observed"] for one in found["bins"]] == pytest.approx([1 / 2, 2 / 3])
    assert [one["predicted"] for one in found["bins"]] == pytest.approx([0.64, 0.96])
    assert found["expected_error"] == pytest.approx(0.4 * 0.14 + 0.6 * (0.96 - 2 / 3))


def test_labels_are_counted_one_by_one():
    rng = np.random.default_rng(0)
    actual = (rng.random((300, 3)) < 0.3).astype(np.float32)
    logits = (rng.normal(size=(300, 3)) + 2 * actual - 1).astype(np.float32)
    spec = SPEC.model_copy(update={"multi_label": True})
    found = detail(spec, logits, actual, LOSSES["multi-label"]())
    expected = metrics.precision_recall_fscore_support(actual, logits >= 0)
    for name, values in zip(("precision", "recall", "f1", "examples"), expected, strict=True):
        assert [one[name] for one in found.classes] == pytest.approx(values.tolist())
    assert (found.confusion, found.targets) == ([], [])
    assert sum(one["count"] for one in found.calibration["bins"]) == 900
    lines = detail_section(found, multi_label=True)
    assert any("The probabilities of all labels differ by" in line for line in lines)


def test_errors_of_numbers_are_in_the_units_of_the_data_set():
    spec = SPEC.model_copy(update={"classes": 0, "class_names": (), "target_names": ("a", "b|c")})
    loss = LOSSES["regression"](names=("a", "b|c"), scale=(10.0, 2.0))
    actual = np.zeros((4, 2), np.float32)
    outputs = actual + np.array([[0.1, 1.0], [0.1, -1.0], [0.1, 1.0], [0.5, -1.0]], np.float32)
    found = detail(spec, outputs, actual, loss)
    first, second = found.targets
    assert first["mean_error"] == pytest.approx(2.0)
    assert first["median_absolute_error"] == pytest.approx(1.0)
    assert first["largest_absolute_error"] == pytest.approx(5.0)
    assert (second["mean_error"], second["covered_absolute_error"]) == pytest.approx((0.0, 2.0))
    assert set(found.to_json()) == {"targets"}  # of two, RMSE and MAE are not metrics
    (row,) = [line for line in detail_section(found, multi_label=False) if "| a |" in line]
    assert row.startswith("| a | 2 ± ")


@pytest.mark.parametrize("classes", [MOST_COLUMNS, MOST_COLUMNS + 1, 101])
def test_the_tables_of_many_classes_stay_short(classes):
    found, labels, logits = of_classes(classes, 3000)
    lines = detail_section(found, multi_label=False)
    names = [plain(one["name"]) for one in found.classes]
    assert sum(line.startswith("| class") for line in lines) <= 1 + MOST_ROWS + 2 + MOST_PAIRS
    is_matrix = classes <= MOST_COLUMNS
    assert ("| actual | predicted | examples |" in lines) != is_matrix
    assert any(line.startswith(f"| **{names[0]}** |") for line in lines) == is_matrix
    assert ("confusion" in found.to_json()) == (classes <= 100)
    if not is_matrix:
        matrix = metrics.confusion_matrix(labels, logits.argmax(axis=1))
        np.fill_diagonal(matrix, 0)
        a, b = np.unravel_index(matrix.argmax(), matrix.shape)
        assert f"| {names[a]} | {names[b]} | {matrix.max()} |" in lines
