"""Which trial wins: the one whose network is expected to be best after the final training.

Notation
    e      error of a trial: the best possible value less its own
    s      share of the final network's training that the trial's lineage has had, in (0, 1]
    b      exponent of the learning curve: e falls as s^-b (Hestness et al. 2017, arXiv:1712.00409)
    ê      forecast of the error at s = 1: log ê = log e + b log s

b is fitted to trials that continued their parent's training without a morphism, as the gain of
the others is partly the morphism's; a prior stands in for them while they are few.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from core.history import Seen

BEST_VALUE = 1.0  # of a metric that is a share
PRIOR_EXPONENT, PRIOR_WEIGHT = 0.25, 2.0  # the weight is in squared nats of training
EXPONENTS = (0.05, 0.6)  # least and most
_LEAST_ERROR = 1e-4


@dataclass(frozen=True, slots=True)
class Forecast:
    """What a trial's network is expected to come to after the final training."""

    trial: Seen
    log_error: float  # log ê
    noise: float  # standard error of it, from the validation examples
    log_loss: float | None  # the same forecast of the validation loss


def winner(trials: Sequence[Seen]) -> Seen | None:
    """The trial whose network is trained on and exported; None where no trial has a value.

    Of those that cannot be told apart by their values, the one with the lowest loss, which has
    more distinct values than a share of few examples. Trials with weights come first.
    """
    best = ranked_by_forecast(trials)
    return best[0].trial if best else None


def ranked_by_forecast(trials: Sequence[Seen]) -> list[Forecast]:
    """Trials with a value, the most promising first: contenders by loss, the others by error."""
    measured = [trial for trial in trials if trial.value is not None]
    usable = [trial for trial in measured if trial.inheritable] or measured
    exponent = learning_exponent(trials)
    forecasts = sorted(
        (_forecast(trial, exponent) for trial in usable),
        key=lambda one: (one.log_error, one.trial.number),
    )
    if not forecasts:
        return []
    limit = forecasts[0].log_error + forecasts[0].noise
    contenders = [one for one in forecasts if one.log_error <= limit]
    if all(one.log_loss is not None for one in contenders):
        contenders.sort(key=lambda one: (one.log_loss or 0.0, one.trial.number))
    return contenders + [one for one in forecasts if one.log_error > limit]


def learning_exponent(trials: Sequence[Seen]) -> float:
    """b: least squares over continued trainings, with the prior as one more of them."""
    by_id = {trial.trial_id: trial for trial in trials}
    fallen, weight = PRIOR_EXPONENT * PRIOR_WEIGHT, PRIOR_WEIGHT
    for trial in trials:
        parent = None if trial.parent_id is None else by_id.get(trial.parent_id)
        if parent is None or trial.morphisms or trial.value is None or parent.value is None:
            continue
        longer = math.log(trial.fidelity / parent.fidelity)
        fallen += longer * (_log_error(parent.value) - _log_error(trial.value))
        weight += longer**2
    least, most = EXPONENTS
    return min(most, max(least, fallen / weight))


def _forecast(trial: Seen, exponent: float) -> Forecast:
    assert trial.value is not None
    gain = exponent * math.log(trial.fidelity)
    loss = trial.validation_loss
    return Forecast(
        trial=trial,
        log_error=_log_error(trial.value) + gain,
        noise=(trial.value_std or 0.0) / _error(trial.value),
        log_loss=None if loss is None else math.log(max(loss, _LEAST_ERROR)) + gain,
    )


def _error(value: float) -> float:
    return max(BEST_VALUE - value, _LEAST_ERROR)


def _log_error(value: float) -> float:
    return math.log(_error(value))
