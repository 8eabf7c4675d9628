"""Predictors of the values of unseen networks: kernels, plain features, the peer."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestRegressor

from benchmarks import peers, tables
from core.similarity.edit_distance import Floats
from core.surrogate.fitting import Observation, fit
from core.surrogate.prior_mean import PriorMean

Entries = Sequence[tables.Entry]
Within = NDArray[np.bool_]
#: From measured values to their log densities, and whether each is within its 90 % interval.
Law = Callable[[Floats], tuple[Floats, Within]]
Predictor = Callable[[Entries, Entries], tuple[Floats, Floats | Law | None]]


@dataclass(frozen=True, slots=True)
class Split:
    """Indices of a table: the networks that a predictor is fitted to, and those it predicts."""

    observed: NDArray[np.intp]
    unseen: NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Prediction:
    """The prediction of the unseen networks of one split."""

    split: Split
    mean: Floats
    spread: Floats | Law | None  # standard deviations of values, noise included, or their law
    seconds: float | None  # for fitting and predicting; None: not measured
    ignored: int = 0  # observed networks that the predictor could not use


def predictions(
    predictor: Predictor, entries: Entries, splits: Sequence[Split]
) -> Iterator[Prediction]:
    """The predictions for each split, timed."""
    for split in splits:
        observed = [entries[index] for index in split.observed]
        unseen = [entries[index] for index in split.unseen]
        started = time.perf_counter()
        mean, spread = predictor(observed, unseen)
        yield Prediction(split, mean, spread, time.perf_counter() - started)


def kernel_predictor(kernel: str, prior_mean: PriorMean | None = None) -> Predictor:
    """A predictor of the median and the law of values by the surrogate with this kernel."""

    def predict(observed: Entries, unseen: Entries) -> tuple[Floats, Law]:
        seen = [Observation(one.architecture, one.value) for one in observed]
        surrogate = fit(seen, kernel, prior_mean=prior_mean)
        points = surrogate.geometry.points([one.architecture for one in unseen])
        low, high = surrogate.interval(points, 0.9)

        def law(values: Floats) -> tuple[Floats, Within]:
            return surrogate.log_density(points, values), (low <= values) & (values <= high)

        return surrogate.posterior(points)[0], law

    return predict


def ridge(observed: Entries, unseen: Entries) -> tuple[Floats, Floats | None]:
    """Ridge regression on standardised log sizes; no uncertainty."""
    x, x_unseen, y = _sizes(observed), _sizes(unseen), np.array([one.value for one in observed])
    center, spread = x.mean(axis=0), np.maximum(x.std(axis=0), 1e-9)
    x, x_unseen = (x - center) / spread, (x_unseen - center) / spread
    slope = np.linalg.solve(x.T @ x + np.eye(x.shape[1]), x.T @ (y - y.mean()))
    return y.mean() + x_unseen @ slope, None


def forest(observed: Entries, unseen: Entries) -> tuple[Floats, Floats | None]:
    """A random forest on log sizes; no uncertainty."""
    model = RandomForestRegressor(n_estimators=100, random_state=0)
    model.fit(_sizes(observed), [one.value for one in observed])
    return np.asarray(model.predict(_sizes(unseen))), None


PLAIN: dict[str, Predictor] = {"ridge": ridge, "forest": forest}


def _sizes(entries: Entries) -> Floats:
    rows = [
        (one.architecture.parameters, one.architecture.flops, len(one.architecture.nodes))
        for one in entries
    ]
    return np.log1p(np.array(rows, dtype=np.float64))


def peer_predictions(
    entries: Entries, splits: Sequence[Split], *, seconds: float, quick: bool
) -> list[Prediction]:
    """The predictions by NNI's Gaussian process for as many splits as the seconds allow.

    Where it fails at a split, none of the numbers are finite.
    """
    questions = [
        {
            "ask": "surrogate",
            "architectures": [
                peers.describe(entries[index].architecture) for index in one.observed
            ],
            "values": [entries[index].value for index in one.observed],
            "asked": [peers.describe(entries[index].architecture) for index in one.unseen],
        }
        for one in splits
    ]
    answers = peers.answers_to(questions, seconds, quick=quick)
    answered = [(answer, one) for answer, one in zip(answers, splits, strict=True) if answer]
    return [_prediction(answer, one) for answer, one in answered]


def _prediction(answer: peers.Answer, split: Split) -> Prediction:
    """The prediction in an answer; NaN for every network after a failure."""
    missing = [None] * len(split.unseen)
    return Prediction(
        split,
        np.array(answer.get("mean", missing), dtype=np.float64),
        np.array(answer.get("std", missing), dtype=np.float64),
        answer.get("seconds"),
        int(answer.get("ignored", len(split.observed))),
    )
