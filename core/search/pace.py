"""How the time of a search is divided where the user chose nothing.

Notation
    S   seconds of the budget, from the start of the search to the exported network

The figures were measured on two CPU cores; `docs/log.md` has the measurements.
"""

from functools import lru_cache
from math import ceil, sqrt

from core.graph.roots import all_roots, racing_kinds
from core.graph.speed import PRIOR_SPEED
from core.protocol.contracts.bounds import Bounds
from core.protocol.contracts.budgets import Budget
from core.protocol.contracts.datasets import DatasetSpec
from core.protocol.contracts.search_config import SearchConfig
from core.search.lineage import Goal

SEARCH_SHARE = 0.4  # of S, at most; the rest is for the final fit
ROOT_SHARE = 0.02  # of S, for one root, where examples are seen often
TRIAL_SHARE = 0.04  # of S, for any other trial
MANY_PASSES = 40  # epochs of the exported network from which on examples are seen often
LEAST_BUDGET = 10.0  # seconds; see `Budget`
SHORTEST_TRIAL = 4.0  # seconds; less where an epoch is short
LEAST_SECONDS, EPOCHS_OF_SHORTEST = 1.0, 20  # of a trial, at least
LONG_SECONDS = 1200.0  # budgets beyond this have shorter trials, as shares of them
PATIENCE = 2  # this many children in a row without a winner end a search of `LONG_SECONDS`
END_SHARE, END_SECONDS = 0.02, 6.0  # of S, and at least: test, export, start of the trainer
GOAL_SHARE = 0.7  # of S: the training that the exported network has had in the end
FEWEST_WITH_FINALISTS = 8  # trials of a search that looks at its best ones again
TRIAL_EXAMPLES = 20_000  # shown in one trial without a time limit
FINAL_EXAMPLES = 150_000  # shown in the final fit without one, at least
TRIAL_EPOCHS = (3, 40)  # least and most
FINAL_EPOCHS = (12, 120)
WORTHWHILE_EPOCHS = 4  # of the exported network within the time of a search


def trials_deadline(config: SearchConfig) -> float | None:
    """Seconds after the start by which the last trial must have ended; None without a limit."""
    seconds = config.budget.seconds
    return None if seconds is None else SEARCH_SHARE * seconds


def spent_budget(budget: Budget, *, trials: int, epochs: int, elapsed: float) -> Budget:
    """The budget of a search that ends after these trials and seconds: no limit grows.

    Its seconds are those of which the trials have taken their share, so that the final fit gets
    the rest.
    """
    seconds = max(LEAST_BUDGET, elapsed / SEARCH_SHARE)
    spent = {"trials": max(1, trials), "epochs": max(1, epochs), "seconds": seconds}
    limits = budget.model_dump(exclude_none=True)
    return Budget.model_validate({name: min(limit, spent[name]) for name, limit in limits.items()})


def remaining_trials(
    config: SearchConfig, spec: DatasetSpec, *, created: int, elapsed: float
) -> int | None:
    """How many trials the budget still allows to start.

    None without a limit, and where there are too few trials to train any of them on.
    """
    left = []
    if (budget := config.budget).trials is not None:
        if budget.trials < FEWEST_WITH_FINALISTS:
            return None
        left.append(budget.trials - created)
    deadline = trials_deadline(config)
    if deadline is not None:
        seconds = config.training.trial_seconds or usual_seconds(config, spec)
        if deadline < FEWEST_WITH_FINALISTS * seconds:
            return None
        left.append(int(max(0.0, deadline - elapsed) / seconds) * config.parallelism)
    return min(left) if left else None


def patience(config: SearchConfig) -> int | None:
    """After how many children in a row without a new winner a search starts its final fit.

    None where seconds do not limit it: then it makes all the trials of its budget.
    """
    if config.budget.seconds is None:
        return None
    return ceil(PATIENCE * sqrt(config.budget.seconds / LONG_SECONDS))


def goal(config: SearchConfig, spec: DatasetSpec) -> Goal:
    """The training that the exported network will have had."""
    if config.budget.seconds is not None:
        return Goal(seconds=GOAL_SHARE * config.budget.seconds)
    trial = config.training.epochs or epochs_of(TRIAL_EXAMPLES, spec, TRIAL_EPOCHS)
    final = config.training.final_epochs or epochs_of(FINAL_EXAMPLES, spec, FINAL_EPOCHS)
    return Goal(epochs=float(final + 3 * trial))


def example_seconds(config: SearchConfig, spec: DatasetSpec) -> float | None:
    """The most seconds of training for one example, so that there is time for enough epochs.

    None without a time limit.
    """
    if config.budget.seconds is None:
        return None
    return seconds_for_an_example(config.budget.seconds, spec)


def seconds_for_an_example(seconds: float, spec: DatasetSpec) -> float:
    return GOAL_SHARE * seconds / (WORTHWHILE_EPOCHS * spec.train_examples)


def root_seconds(config: SearchConfig, spec: DatasetSpec) -> float:
    """The seconds of a root in the race, in a search limited in seconds.

    As many as of any other trial where examples are seen a few times only: after a small part of
    an epoch networks that begin fast are ahead of those that are better in the end.
    """
    # Not by the measured speed: it is known after the first root, and all are to be compared.
    are_seen_often = passes_in_time(config, spec) >= MANY_PASSES
    return _seconds(config, spec, ROOT_SHARE if are_seen_often else TRIAL_SHARE)


def usual_seconds(config: SearchConfig, spec: DatasetSpec) -> float:
    """The seconds of a trial that is not in the race, in a search limited in seconds."""
    return _seconds(config, spec, TRIAL_SHARE)


def _seconds(config: SearchConfig, spec: DatasetSpec, share: float) -> float:
    """A share of the time for one trial, but enough to learn something: some epochs, or 4 s."""
    assert config.budget.seconds is not None
    shortest = min(SHORTEST_TRIAL, max(LEAST_SECONDS, EPOCHS_OF_SHORTEST * epoch_seconds(spec)))
    return max(shortest, share * length(config.budget.seconds) * config.budget.seconds)


def length(seconds: float) -> float:
    """The factor by which a trial of a long search has a smaller share of the time."""
    return sqrt(min(1.0, LONG_SECONDS / seconds))


def epochs_of(examples: int, spec: DatasetSpec, limits: tuple[int, int]) -> int:
    """The epochs in which that many examples are shown, within the limits."""
    least, most = limits
    return min(most, max(least, ceil(examples / spec.train_examples)))


def passes_in_time(config: SearchConfig, spec: DatasetSpec, slowness: float = 1.0) -> float:
    """About how many epochs the exported network can be trained for; many without a limit.

    `slowness` is that of the search's first trial, as soon as it has been trained: a processor may
    be a few times slower than expected, and a GPU a hundred times faster.
    """
    if config.budget.seconds is None:
        return float(FINAL_EPOCHS[1])
    return GOAL_SHARE * config.budget.seconds / (slowness * epoch_seconds(spec))


@lru_cache(maxsize=256)  # asked for several times with each lease
def epoch_seconds(spec: DatasetSpec) -> float:
    """The seconds of an epoch of a usual network on one thread, before anything is measured."""
    usual = all_roots(spec, Bounds())[racing_kinds(spec)[0]]
    return PRIOR_SPEED.seconds(usual) * spec.train_examples
