"""Which trial wins: the one whose network is expected to be best after the final training.

Notation
    e      error of a trial: the best value of its task type less its own, 1 - accuracy for shares
    s      share of the final network's training that the trial's lineage has had, in (0, 1]
    b      exponent of the learning curve: e falls as s^-b (Hestness et al. 2017, arXiv:1712.00409)
    ê      forecast of the error at s = 1: log ê = log e + b log s

b is fitted to trials that continued their parent's training without a morphism, as the gain of
the others is partly the morphism's; a prior stands in for them while they are few. A trial that
continued another one, and its descendants, have an exponent of their own between the one measured
there and the common one, in proportion to how sure the measured one is: large networks begin
behind small ones and catch up.
"""

import math
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from sys import float_info
from uuid import UUID

from core.search.history import USUAL, PastTrial
from core.search.lineage import changed, continued, with_parents

PRIOR_WEIGHT = 2.0  # of the prior exponent, in squared nats of training
MOST_EXPONENT = 0.6
LOSS_NOISE = 0.5  # standard error of the log loss, in those of the log error
SPREAD = 0.08  # standard deviation of exponents between networks
CHANGE = 0.03  # of log loss, that other training choices than the usual ones must gain at least
_LEAST_ERROR = 1e-4


@dataclass(frozen=True, slots=True)
class Forecast:
    """The expected result of a trial's network after the final training."""

    trial: PastTrial
    log_error: float  # log ê
    noise: float  # standard error of it, from the validation examples
    log_loss: float | None  # the forecast of the validation loss, whose curve is its own
    is_contender: bool = False  # the best by error may be better by luck alone


def winner(trials: Sequence[PastTrial]) -> PastTrial | None:
    """The trial whose network is trained on and exported; None where no trial has a value.

    Of those that cannot be told apart by their values, the one with the lowest loss, which has
    more distinct values than a share of few examples. Trials with weights come first. A trial
    that was continued is represented by the one that continues it.
    """
    return next(iter(ranking(trials)), None)


def ranking(trials: Sequence[PastTrial]) -> list[PastTrial]:
    """The winner and those that would win without it, in this order."""
    return [one.trial for one in forecasts(trials)]


def forecasts(trials: Sequence[PastTrial]) -> list[Forecast]:
    """What is expected of the trials of `ranking`, in the same order."""
    known = continued([trial for trial in trials if trial.value is not None])
    return ranked_by_forecast(trials, known)


def ranked_by_forecast(
    trials: Sequence[PastTrial], excluded: Collection[UUID] = ()
) -> list[Forecast]:
    """Trials with a value, the most promising first: contenders by loss, the others by error.

    Those excluded are not ranked, but tell how learning curves run.
    """
    measured = [
        trial for trial in trials if trial.value is not None and trial.trial_id not in excluded
    ]
    usable = [trial for trial in measured if trial.inheritable] or measured
    of_error, of_loss = exponents_of(trials, ERROR), exponents_of(trials, LOSS)
    found = sorted(
        (_forecast(one, of_error[one.trial_id], of_loss[one.trial_id]) for one in usable),
        key=lambda one: (one.log_error, one.trial.number),
    )
    if not found:
        return []
    best = found[0]
    contenders = [replace(one, is_contender=True) for one in found if is_near(one, best)]
    if all(one.log_loss is not None for one in contenders):
        contenders.sort(key=lambda one: (one.log_loss or 0.0, one.trial.number))
    return contenders + [one for one in found if not is_near(one, best)]


def is_near(one: Forecast, best: Forecast, times: float = 1.0) -> bool:
    """Whether an error is at most `times` the best one, or above that within its standard error."""
    return one.log_error - best.log_error <= math.log(times) + math.hypot(one.noise, best.noise)


@dataclass(frozen=True, slots=True)
class Quantity:
    """What falls as a power of the training: the error, or the validation loss."""

    log: Callable[[PastTrial], float | None]  # None where a trial has none
    noise: Callable[[PastTrial], float]  # standard error of that logarithm
    prior: float  # exponent
    least: float  # exponent


def exponents_of(
    trials: Sequence[PastTrial], quantity: Quantity | None = None
) -> dict[UUID, float]:
    """b of each trial: the common one, or between it and what its own lineage showed.

    Of the error where no quantity is given.
    """
    quantity = quantity or ERROR
    common = learning_exponent(trials, quantity)
    gains = {gain.trial.trial_id: gain for gain in _gains(trials, quantity)}
    found: dict[UUID, float] = {}
    for trial in sorted(trials, key=lambda trial: trial.number):  # parents are older
        inherited = common if trial.parent_id is None else found.get(trial.parent_id, common)
        gain = gains.get(trial.trial_id)
        found[trial.trial_id] = inherited if gain is None else gain.exponent(inherited, quantity)
    return found


def learning_exponent(trials: Sequence[PastTrial], quantity: Quantity | None = None) -> float:
    """b of all: least squares over continued trainings, with the prior as one more of them."""
    quantity = quantity or ERROR
    fallen, weight = quantity.prior * PRIOR_WEIGHT, PRIOR_WEIGHT
    for gain in _gains(trials, quantity):
        fallen += gain.longer * gain.fallen
        weight += gain.longer**2
    return _within(fallen / weight, quantity)


@dataclass(frozen=True, slots=True)
class _Gain:
    """The gain of a training that continued its parent's without a morphism."""

    trial: PastTrial
    longer: float  # by how much log s has grown
    fallen: float  # by how much the quantity's logarithm has fallen
    noise: float  # standard error of `fallen`

    def exponent(self, expected: float, quantity: Quantity) -> float:
        """The lineage's b given the prior mean `expected`: the mean of a normal posterior."""
        if self.longer <= 0:
            return expected
        variance = (self.noise / self.longer) ** 2
        share = SPREAD**2 / (SPREAD**2 + variance)
        return _within(expected + share * (self.fallen / self.longer - expected), quantity)


def _gains(trials: Sequence[PastTrial], quantity: Quantity) -> Iterator[_Gain]:
    compared = changed(trials)  # continuations of these differ by their training choices
    for trial, parent in with_parents(trials):
        if trial.morphisms or parent.trial_id in compared:
            continue
        before, after = quantity.log(parent), quantity.log(trial)
        if before is None or after is None:
            continue
        yield _Gain(
            trial=trial,
            longer=math.log(trial.fidelity / parent.fidelity),
            fallen=before - after,
            noise=math.hypot(quantity.noise(trial), quantity.noise(parent)),
        )


def _forecast(trial: PastTrial, of_error: float, of_loss: float) -> Forecast:
    """With the exponents of the trial's error and loss."""
    error, loss, longer = _log_error(trial), _log_loss(trial), math.log(trial.fidelity)
    assert error is not None
    return Forecast(
        trial=trial,
        log_error=error + of_error * longer,
        noise=_noise(trial),
        log_loss=None if loss is None else loss + of_loss * longer + _handicap(trial),
    )


def required_gain(trial: PastTrial) -> float:
    """The gain in log loss required of a trial with other training choices than the usual ones.

    These are well tried, and several changes are compared with them, so the gain must be twice the
    standard error of the log loss, which is large where the validation examples are few.
    """
    return max(CHANGE, 2 * LOSS_NOISE * _noise(trial))


def _handicap(trial: PastTrial) -> float:
    return 0.0 if trial.choices == USUAL else required_gain(trial)


def _noise(trial: PastTrial) -> float:
    """The standard error of log e."""
    return (trial.value_std or 0.0) / _error(trial)


def _error(trial: PastTrial) -> float:
    least = _LEAST_ERROR if trial.best_value > 0 else float_info.min  # errors may have any unit
    return max(trial.best_value - (trial.value or 0.0), least)


def _log_error(trial: PastTrial) -> float | None:
    return None if trial.value is None else math.log(_error(trial))


def _log_loss(trial: PastTrial) -> float | None:
    loss = trial.validation_loss
    return None if loss is None else math.log(max(loss, _LEAST_ERROR))


def _within(exponent: float, quantity: Quantity) -> float:
    return min(MOST_EXPONENT, max(quantity.least, exponent))


ERROR = Quantity(_log_error, _noise, prior=0.25, least=0.05)
#: A loss says more about the same examples than an error; it may stay where errors fall.
LOSS = Quantity(_log_loss, lambda trial: LOSS_NOISE * _noise(trial), prior=0.15, least=0.0)
