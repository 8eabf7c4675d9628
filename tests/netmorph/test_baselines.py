"""A small search on real data beats a usual model of scikit-learn, for each kind of data."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits
from sklearn.ensemble import RandomForestRegressor
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression, RidgeCV
from sklearn.multioutput import MultiOutputClassifier
from sklearn.naive_bayes import GaussianNB, MultinomialNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeRegressor

from benchmarks import data_sets
from core.data.datasets import Arrays
from core.errors import InvalidDataset
from netmorph import (
    ImageClassifier,
    ImageRegressor,
    SignalClassifier,
    SignalRegressor,
    TabularClassifier,
    TabularRegressor,
    TextClassifier,
)
from tests.docstrings import docstrings

TRAINING = {"epochs": 15, "final_epochs": 25}
SIGNALS = {"epochs": 60, "final_epochs": 100}  # of few examples
DIGITS = load_digits()
#: Whether a digit is odd, above four, and drawn around a hole.
TRAITS = np.stack(
    [DIGITS.target % 2, DIGITS.target > 4, np.isin(DIGITS.target, (0, 6, 8, 9))], axis=1
).astype(int)
DIABETES = load_diabetes(scaled=False)
CANCER = load_breast_cancer()


@dataclass(frozen=True, slots=True)
class Case:
    """Data, the model that searches, and the one to beat."""

    x: NDArray[Any]
    y: NDArray[Any]
    model: type[Any]
    baseline: BaseEstimator


CASES = {
    "image classification": Case(
        DIGITS.images, DIGITS.target, ImageClassifier, LogisticRegression(max_iter=3000)
    ),
    "several labels of an image": Case(
        DIGITS.images,
        TRAITS,
        ImageClassifier,
        MultiOutputClassifier(LogisticRegression(max_iter=3000)),
    ),
    "image regression": Case(
        DIGITS.images, DIGITS.target + 0.5, ImageRegressor, RidgeCV(np.logspace(-2, 3, 11))
    ),
    "classification of signals with several channels": Case(
        DIGITS.images, DIGITS.target, SignalClassifier, LogisticRegression(max_iter=3000)
    ),
    "signal regression": Case(
        DIGITS.data, DIGITS.target + 0.5, SignalRegressor, RidgeCV(np.logspace(-2, 3, 11))
    ),
    "tabular classification": Case(CANCER.data, CANCER.target, TabularClassifier, GaussianNB()),
    "tabular regression": Case(
        DIABETES.data, DIABETES.target, TabularRegressor, DecisionTreeRegressor(random_state=0)
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_a_small_search_beats_a_usual_model(data_dir, name) -> None:
    case = CASES[name]
    order = np.random.default_rng(0).permutation(len(case.y))
    train, test = np.split(order, [2 * len(order) // 3])
    x = flat(case.x)
    model = case.model(data_dir=data_dir, trials=2, training=TRAINING)

    model.fit(case.x[train], case.y[train])

    usual = make_pipeline(StandardScaler(), case.baseline).fit(x[train], case.y[train])
    found, expected = (
        model.score(case.x[test], case.y[test]),
        usual.score(x[test], case.y[test]),
    )
    assert found > expected, f"{found:.4f}, and {expected:.4f} of {case.baseline}"


# --- recorded signals ---------------------------------------------------------------------------


def recorded(name: str) -> Arrays:
    """A set of the UCR and UEA archives, with its own split; without it the test is skipped."""
    try:
        arrays, _ = data_sets.load(name)
    except InvalidDataset as error:
        pytest.skip(str(error))
    return arrays


@pytest.mark.slow
@pytest.mark.parametrize("name", ["basic-motions", "osu-leaf"])
def test_a_small_search_on_recorded_signals_beats_logistic_regression(data_dir, name) -> None:
    """40 signals of six channels from a watch (Bagnall et al. 2018, arXiv:1811.00075), and 200
    outlines of leaves (Gandhi 2002).
    """
    arrays = recorded(name)
    model = SignalClassifier(data_dir=data_dir, trials=2, layout="NCL", training=SIGNALS)

    model.fit(arrays.x_train, arrays.y_train)

    usual = make_pipeline(StandardScaler(), LogisticRegression(max_iter=3000))
    usual.fit(flat(arrays.x_train), arrays.y_train)
    found = model.score(arrays.x_test, arrays.y_test)
    expected = usual.score(flat(arrays.x_test), arrays.y_test)
    assert found > expected, f"{found:.4f}, and {expected:.4f} of logistic regression"


@pytest.mark.slow
@pytest.mark.parametrize(
    "usual",
    [RidgeCV(np.logspace(-2, 5, 15)), RandomForestRegressor(random_state=0)],
    ids=lambda usual: type(usual).__name__,
)
def test_a_small_search_learns_how_fast_a_wrist_turns_from_its_accelerations(
    data_dir, usual
) -> None:
    """Quarters of the recordings of a watch: its accelerometer in, the mean speed of its gyroscope
    out. No recording is in two splits.
    """
    arrays = recorded("basic-motions")
    (x, y), (x_test, y_test) = map(turning, (arrays.x_train, arrays.x_test))
    model = SignalRegressor(data_dir=data_dir, trials=2, layout="NCL", training=SIGNALS)

    model.fit(x, y)

    known = make_pipeline(StandardScaler(), usual).fit(flat(x), y)
    found, expected = model.score(x_test, y_test), known.score(flat(x_test), y_test)
    assert found > expected, f"{found:.4f}, and {expected:.4f} of {usual}"


def turning(signals: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """(accelerations (4 n, 3, 25), log of the mean speed of turning (4 n,)) of n recordings"""
    quarters = np.concatenate(np.split(signals, 4, axis=2))
    speeds = np.sqrt((quarters[:, 3:] ** 2).sum(axis=1)).mean(axis=1)
    return quarters[:, :3], np.log(speeds + 0.01)


def flat(x: NDArray[Any]) -> NDArray[Any]:
    return x.reshape(len(x), -1)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_small_search_on_texts_beats_naive_bayes_on_counts_of_words(data_dir) -> None:
    """TF-IDF with a well chosen logistic regression is better: docs/how-to/text.md."""
    texts, packages = map(np.array, docstrings())
    order = np.random.default_rng(0).permutation(len(texts))
    train, test = np.split(order, [2 * len(order) // 3])
    model = TextClassifier(data_dir=data_dir, trials=3, training=TRAINING)

    model.fit(texts[train], packages[train])

    usual = make_pipeline(CountVectorizer(), MultinomialNB()).fit(texts[train], packages[train])
    found = model.score(texts[test], packages[test])
    expected = usual.score(texts[test], packages[test])
    assert found > expected, f"{found:.4f}, and {expected:.4f} of naive Bayes"
