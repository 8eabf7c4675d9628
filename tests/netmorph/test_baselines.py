"""A small search on real data beats a usual model of scikit-learn, for each kind of data."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression, RidgeCV
from sklearn.naive_bayes import GaussianNB, MultinomialNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeRegressor

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
DIGITS = load_digits()
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
    flat = case.x.reshape(len(case.x), -1)
    model = case.model(data_dir=data_dir, trials=2, training=TRAINING)

    model.fit(case.x[train], case.y[train])

    usual = make_pipeline(StandardScaler(), case.baseline).fit(flat[train], case.y[train])
    found, expected = (
        model.score(case.x[test], case.y[test]),
        usual.score(flat[test], case.y[test]),
    )
    assert found > expected, f"{found:.4f}, and {expected:.4f} of {case.baseline}"


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
