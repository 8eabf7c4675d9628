"""What is asked to predict networks that it has not seen: kernels, plain features, the peer."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestRegressor

from benchmarks import peers, tables
from core.similarity.edit_distance import Floats
from core.surrogate.fitting import Observation, fit

Entries = Sequence[tables.Entry]
Within = NDArray[np.bool_]
#: Of measured values: the log of their density, and whether each is within its 90 % interval.
Law = Callable[[Floats], tuple[Floats, Within]]
Predictor = Callable[[Entries, Entries], tuple[Floats, Floats | Law | None]]


@dataclass(frozen=True, slots=True)
class Split:
    """Places in a table: what a predictor is told, and what it is asked about."""

    known: NDArray[np.intp]
    asked: NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Prediction:
    """Of the networks that one split asks about."""

    split: Split
    mean: Floats
    spread: Floats | Law | None  # of a value, noise included: standard deviations, or its law
    seconds: float | None  # for learning and predicting; None: not measured
    ignored: int = 0  # networks that it was told of and could not take


def predictions(
    predictor: Predictor, entries: Entries, splits: Sequence[Split]
) -> Iterator[Prediction]:
    """What a predictor says of each split, timed."""
    for split in splits:
        known = [entries[place] for place in split.known]
        asked = [entries[place] for place in split.asked]
        started = time.perf_counter()
        mean, spread = predictor(known, asked)
        yield Prediction(split, mean, spread, time.perf_counter() - started)


def kernel_predictor(kernel: str) -> Predictor:
    """Median and law of values by the surrogate with this kernel."""

    def predict(known: Entries, asked: Entries) -> tuple[Floats, Law]:
        surrogate = fit([Observation(one.architecture, one.value) for one in known], kernel)
        points = surrogate.geometry.points([one.architecture for one in asked])
        low, high = surrogate.interval(points, 0.9)

        def law(values: Floats) -> tuple[Floats, Within]:
            return surrogate.log_density(points, values), (low <= values) & (values <= high)

        return surrogate.posterior(points)[0], law

    return predict


def ridge(known: Entries, asked: Entries) -> tuple[Floats, Floats | None]:
    """Ridge regression on standardised log sizes; no uncertainty."""
    x, x_asked, y = _sizes(known), _sizes(asked), np.array([one.value for one in known])
    center, spread = x.mean(axis=0), np.maximum(x.std(axis=0), 1e-9)
    x, x_asked = (x - center) / spread, (x_asked - center) / spread
    slope = np.linalg.solve(x.T @ x + np.eye(x.shape[1]), x.T @ (y - y.mean()))
    return y.mean() + x_asked @ slope, None


def forest(known: Entries, asked: Entries) -> tuple[Floats, Floats | None]:
    """A random forest on log sizes; no uncertainty."""
    model = RandomForestRegressor(n_estimators=100, random_state=0)
    model.fit(_sizes(known), [one.value for one in known])
    return np.asarray(model.predict(_sizes(asked))), None


PLAIN: dict[str, Predictor] = {"ridge": ridge, "forest": forest}


def _sizes(entries: Entries) -> Floats:
    rows = [
        (one.architecture.parameters, one.architecture.flops, len(one.architecture.nodes))
        for one in entries
    ]
    return np.log1p(np.array(rows, dtype=np.float64))


def of_peer(
    entries: Entries, splits: Sequence[Split], *, seconds: float, quick: bool
) -> list[Prediction]:
    """What NNI's Gaussian process says of the first splits, as many as the seconds allow.

    Where it fails at a split, none of its numbers are finite.
    """
    questions = [
        {
            "ask": "surrogate",
            "architectures": [peers.describe(entries[place].architecture) for place in one.known],
            "values": [entries[place].value for place in one.known],
            "asked": [peers.describe(entries[place].architecture) for place in one.asked],
        }
        for one in splits
    ]
    answers = peers.answers_to(questions, seconds, quick=quick)
    said = [(answer, one) for answer, one in zip(answers, splits, strict=True) if answer]
    return [_of_answer(answer, one) for answer, one in said]


def _of_answer(answer: peers.Answer, split: Split) -> Prediction:
    """After a failure there are no numbers."""
    missing = [None] * len(split.asked)
    return Prediction(
        split,
        np.array(answer.get("mean", missing), dtype=np.float64),
        np.array(answer.get("std", missing), dtype=np.float64),
        answer.get("seconds"),
        int(answer.get("ignored", len(split.known))),
    )
