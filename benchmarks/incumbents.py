"""The test error of a search's incumbent at each time, measured off the clock."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.solo import Solo
from benchmarks.solo_trial import Trial, past_trial
from core.data.splits import validation_split
from core.graph.weights import load
from core.protocol.states import TrialKind
from core.search import choice, pace
from core.search.repeats import comparable
from worker.trainer.data.examples import Examples, Normalisation
from worker.trainer.networks.compute import Compute
from worker.trainer.networks.network import Network
from worker.trainer.training.evaluation import evaluate

Curve = list[tuple[float, float]]  # (seconds, test error in %), a step at each


def curve(search: Solo) -> Curve:
    """The test error of the winner so far: one step at each time when the winner changes.

    The final fit is the last step.
    """
    steps: Curve = []
    ended = [trial for trial in search.trials if trial.result is not None]
    known: list[Trial] = []
    incumbent: Trial | None = None
    for trial in sorted(ended, key=lambda trial: trial.ended):
        known.append(trial)
        if trial.kind is TrialKind.FINAL:
            steps += _final_step(trial)
        elif (winner := _winner(search, known)) is not incumbent and winner is not None:
            incumbent = winner
            steps.append((round(trial.ended, 2), round(error_on_test(search, winner), 4)))
    return steps


def _final_step(final: Trial) -> Curve:
    if final.result is None or final.result.test is None:
        return []
    return [(round(final.ended, 2), round(100 * (1 - final.result.test.metric), 4))]


def _winner(search: Solo, known: list[Trial]) -> Trial | None:
    goal = pace.goal(search.config, search.spec)
    winner = choice.winner(comparable([past_trial(trial) for trial in known], goal))
    return next((t for t in known if winner is not None and t.trial_id == winner.trial_id), None)


def error_on_test(search: Solo, trial: Trial) -> float:
    """The error of a trial's own weights on the test split, in %."""
    assert trial.result is not None
    assert trial.result.weights is not None
    assert trial.hyperparameters is not None
    h, arrays = trial.hyperparameters, search.arrays
    training, _ = validation_split(arrays.y_train, h.validation_fraction, h.split_seed)
    normalisation = Normalisation.of(arrays.x_train[training])
    device = torch.device("cpu")
    network = Network(trial.architecture)
    network.read(load(search.storage.get(trial.result.weights)))
    test = Examples(arrays.x_test, arrays.y_test, normalisation, device)
    return 100 * (1 - evaluate(network, test, search.config.task, Compute(device)).metric)


def sampled(curve: Sequence[Sequence[float]], times: NDArray[np.float64]) -> NDArray[np.float64]:
    """The values of a step curve at these times, all at or after its first step."""
    steps = np.array([time for time, _ in curve])
    values = np.array([error for _, error in curve])
    return values[np.searchsorted(steps, times, side="right") - 1]
