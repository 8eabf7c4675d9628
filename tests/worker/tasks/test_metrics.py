"""Every metric is scikit-learn's, and its standard error that of resampled examples."""

import warnings

import numpy as np
import pytest
import torch
from scipy.special import softmax
from sklearn import metrics

from core.errors import InvalidInput
from core.tasks import TASKS
from worker.tasks import LOSSES

CLASSES = 4
KINDS = [one.kind for one in TASKS["image-classification"].metrics]


def made(case: str, n: int = 300, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Logits and labels; class 2 is rare or missing, or logits are equal, as the case says."""
    rng = np.random.default_rng(seed)
    shares = {"missing": (0.5, 0.4, 0, 0.1), "ties": (0.25,) * 4}.get(case, (0.5, 0.35, 0.05, 0.1))
    labels = rng.choice(CLASSES, size=n, p=shares)
    logits = rng.normal(size=(n, CLASSES)) + 1.5 * np.eye(CLASSES)[labels]
    return (logits.round() if case == "ties" else logits), labels


def by_scikit_learn(kind: str, logits: np.ndarray, labels: np.ndarray) -> float:
    predicted, p = logits.argmax(axis=1), softmax(logits, axis=1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a class without examples
        if kind == "auroc":
            of = [np.asarray(labels == k) for k in range(CLASSES)]
            found = [
                metrics.roc_auc_score(one, p[:, k].round(12))
                for k, one in enumerate(of)
                if one.any() and not one.all()
            ]
            return float(np.mean(found))
        return {
            "accuracy": lambda: metrics.accuracy_score(labels, predicted),
            "balanced-accuracy": lambda: metrics.balanced_accuracy_score(labels, predicted),
            "macro-f1": lambda: metrics.f1_score(labels, predicted, average="macro"),
            "log-loss": lambda: metrics.log_loss(labels, p, labels=range(CLASSES)),
        }[kind]()


def measured(kind: str, logits: np.ndarray, labels: np.ndarray) -> tuple[float, float]:
    loss = LOSSES["image-classification"](kind)
    found = torch.from_numpy(logits), torch.from_numpy(labels)
    return loss.metric(*found), loss.metric_std(*found)


@pytest.mark.parametrize("case", ["usual", "ties", "missing"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_metric_of_classes_is_that_of_scikit_learn(kind, case):
    logits, labels = made(case)
    assert measured(kind, logits, labels)[0] == pytest.approx(
        by_scikit_learn(kind, logits, labels), abs=1e-9
    )


def test_the_area_of_one_class_against_the_rest_is_that_of_scikit_learns_own_mean():
    logits, labels = made("usual")
    expected = metrics.roc_auc_score(labels, softmax(logits, axis=1), multi_class="ovr")
    assert measured("auroc", logits, labels)[0] == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("kind", KINDS)
def test_a_standard_error_is_the_spread_of_new_samples(kind):
    values, stds = zip(*(measured(kind, *made("usual", seed=k)) for k in range(150)), strict=True)
    assert np.mean(stds) == pytest.approx(np.std(values), rel=0.3)


@pytest.mark.parametrize("kind", ["rmse", "mae"])
@pytest.mark.parametrize("targets", [1, 2])
def test_a_metric_of_numbers_is_that_of_scikit_learn_with_the_spread_of_new_samples(kind, targets):
    unit = (2e8,) if targets == 1 else (3.0, 5.0)
    score = {"rmse": metrics.root_mean_squared_error, "mae": metrics.mean_absolute_error}[kind]
    rng = np.random.default_rng(1)
    loss = LOSSES["regression"](kind, names=("a", "b")[:targets], scale=unit)
    values, stds = [], []
    for _ in range(150):
        y = rng.normal(size=(200, targets))
        predicted = y + 0.3 * rng.standard_t(8, size=y.shape)
        found = torch.from_numpy(predicted), torch.from_numpy(y)
        values.append(loss.metric(*found))
        stds.append(loss.metric_std(*found))
        scale = unit[0] if targets == 1 else 1.0
        assert values[-1] == pytest.approx(scale * score(y, predicted))
    assert np.mean(stds) == pytest.approx(np.std(values), rel=0.3)


@pytest.mark.parametrize("task", list(TASKS))
def test_a_standard_error_is_above_zero_even_where_every_example_is_right(task):
    labels = torch.arange(40) % 2
    is_regression = not TASKS[task].predicts_classes
    sets = torch.eye(2)[labels]
    targets = torch.randn(40, 1) if is_regression else sets if task == "multi-label" else labels
    outputs = targets.clone() if is_regression else 60 * sets - 30
    for one in TASKS[task].metrics:
        loss = LOSSES[task](one.kind, names=("y",), scale=(1.0,))
        best = one.of_objective(one.value_range[1])
        assert loss.metric(outputs, targets) == pytest.approx(best, abs=1e-6), one.kind
        assert loss.metric_std(outputs, targets) > 0, one.kind
        assert one.is_credible(one.objective(loss.metric(outputs[:1], targets[:1]))), one.kind


def sets_of(n: int = 250, seed: int = 0, *, ties: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Logits and label sets; the last label is rare."""
    rng = np.random.default_rng(seed)
    sets = rng.random((n, 3)) < (0.5, 0.3, 0.08)
    logits = rng.normal(size=sets.shape) + 1.5 * sets - 0.7
    return (logits.round() if ties else logits), sets.astype(np.float32)


def of_sets(kind: str, logits: np.ndarray, sets: np.ndarray) -> tuple[float, float]:
    loss = LOSSES["multi-label"](kind)
    found = torch.from_numpy(logits), torch.from_numpy(sets)
    return loss.metric(*found), loss.metric_std(*found)


@pytest.mark.parametrize("kind", [one.kind for one in TASKS["multi-label"].metrics])
def test_a_metric_of_several_labels_is_that_of_scikit_learn_with_the_spread_of_samples(kind):
    by_scikit_learn = {
        "average-precision": lambda y, z: metrics.average_precision_score(y, z, average="macro"),
        "auroc": lambda y, z: metrics.roc_auc_score(y, z, average="macro"),
        "macro-f1": lambda y, z: metrics.f1_score(y, z >= 0, average="macro"),
        "exact-match": lambda y, z: metrics.accuracy_score(y, z >= 0),
    }[kind]
    for ties in (False, True):
        logits, sets = sets_of(ties=ties)
        expected = by_scikit_learn(sets, logits)
        assert of_sets(kind, logits, sets)[0] == pytest.approx(expected, abs=1e-9)
    values, stds = zip(*(of_sets(kind, *sets_of(seed=k)) for k in range(150)), strict=True)
    assert np.mean(stds) == pytest.approx(np.std(values), rel=0.3)


def test_a_label_that_no_example_has_does_not_count():
    logits, sets = sets_of()
    expected = of_sets("average-precision", logits[:, :2], sets[:, :2])
    sets[:, 2] = 0
    assert of_sets("average-precision", logits, sets) == pytest.approx(expected)


def test_balanced_weights_of_labels_make_guessing_as_good_as_any_constant():
    _, sets = sets_of()
    weights = LOSSES["multi-label"].balanced_weights(sets, 3)
    loss = LOSSES["multi-label"](class_weights=weights)
    targets = torch.from_numpy(sets)
    for logit in (-1.0, 0.0, 1.0):
        constant = float(loss.training_loss(torch.full((250, 3), logit), targets))
        assert constant >= loss.chance_loss(sets, 3) - 1e-6
    guessed = float(loss.training_loss(torch.zeros(250, 3), targets))
    assert guessed == pytest.approx(loss.chance_loss(sets, 3))


def test_the_other_metrics_are_reported_by_name():
    logits, labels = made("usual")
    loss = LOSSES["image-classification"]("macro-f1")
    found = loss.other_metrics(torch.from_numpy(logits), torch.from_numpy(labels))
    assert list(found) == ["accuracy", "balanced accuracy", "AUROC", "log-loss"]
    assert found["log-loss"] == pytest.approx(measured("log-loss", logits, labels)[0])


def test_balanced_class_weights_give_all_classes_the_same_weight_in_training():
    labels = np.array([0] * 90 + [1] * 10)
    loss = LOSSES["image-classification"](class_weights=(100 / 180, 100 / 20))
    outputs, targets = torch.randn(100, 2), torch.from_numpy(labels)
    by_class = [float(loss.loss(outputs[labels == k], targets[labels == k])) for k in (0, 1)]

    assert float(loss.training_loss(outputs, targets)) == pytest.approx(np.mean(by_class), rel=1e-5)
    assert loss.chance_loss(labels, 2) == pytest.approx(np.log(2))
    smooth = float(loss.training_loss(torch.zeros(100, 2), targets, 0.1))
    assert smooth == pytest.approx(loss.chance_loss(labels, 2, 0.1), rel=1e-6)


def test_a_metric_that_a_task_does_not_have_is_refused_with_those_that_it_has():
    with pytest.raises(
        InvalidInput, match="'rmse' does not fit what is learned; expected one of accu"
    ):
        TASKS["image-classification"]("rmse")
