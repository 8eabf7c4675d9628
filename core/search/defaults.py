"""Choices for the data and the budget where the user chose nothing.

Notation
    n   training examples, validation split included
    S   seconds of the budget, from the start of the search to the exported network

The figures were measured on two CPU cores; `docs/log.md` has the measurements.
"""

from dataclasses import dataclass
from math import ceil, sqrt

from core.graph.architecture import Architecture
from core.graph.roots import all_roots, kinds_of_roots, racing_kinds, roots
from core.graph.speed import PRIOR_SPEED
from core.protocol.contracts import (
    Bounds,
    Budget,
    DatasetSpec,
    Hyperparameters,
    SearchConfig,
    TrainingChoices,
)
from core.search.halving import RUNG
from core.search.lineage import Goal
from core.search.recipe import DECAY, alternatives, hyperparameters
from core.search.strategies import STRATEGIES

SEARCH_SHARE = 0.4  # of S, at most; the rest is for the final fit
RACE_SHARE = 0.12  # of S, for the roots together
ROOT_SHARE = 0.02  # of S, for one root
TRIAL_SHARE = 0.04  # of S, for any other trial
SHORTEST_TRIAL = 4.0  # seconds; less where an epoch is short
LEAST_SECONDS, EPOCHS_OF_SHORTEST = 1.0, 20  # of a trial, at least
LONG_SECONDS = 1200.0  # budgets beyond this have shorter trials, as shares of them
PATIENCE = 2  # this many children in a row without a winner end a search of `LONG_SECONDS`
END_SHARE, END_SECONDS = 0.02, 6.0  # of S, and at least: test, export, start of the trainer
GOAL_SHARE = 0.7  # of S: the training that the exported network has had in the end

FEWEST_WITH_FINALISTS = 8  # trials of a search that looks at its best ones again
MOST_ROOTS = 3  # in the race
TRIALS_A_ROOT = 4  # in a search that is limited in trials
PROMOTED, MANY_PASSES = 2, 40  # roots trained on after the race; all, from this many epochs
MOST_ALTERNATIVES = 2  # training choices tried; more in long searches
PASSES_AN_ALTERNATIVE = 20  # epochs of the exported network for each of them, at least
TRIALS_AN_ALTERNATIVE = 10  # in a search that is limited in trials
MOST_NETWORKS, PASSES_A_NETWORK = 4, 250  # of an ensemble, where time is plentiful
SPLITS, REPEATED_BELOW = 3, 500  # validation splits, where there are fewer examples
PASSES_OF_REPEATED = 500  # epochs of the exported network, at least
TRIAL_EXAMPLES = 20_000  # shown in one trial without a time limit
FINAL_EXAMPLES = 150_000  # shown in the final fit without one, at least
MOST_FINAL_EXAMPLES = 400_000
TRIAL_EPOCHS = (3, 40)  # least and most
FINAL_EPOCHS = (12, 120)
TIMED_EPOCHS = 1_000_000  # no limit, where seconds limit the training
IN_WINNER = 0.6  # least share of all training that the final fit brings into the exported network

GROWTH = 8  # FLOPs of the largest architecture, in those of the first root
GROWTH_SECONDS = 1800.0  # budgets beyond this allow more in proportion
SECONDS_AN_OPERATION = 2e-11  # of training, at least, before anything is measured
BACKWARD = 3  # cost of a training step, in forward passes
WORTHWHILE_EPOCHS = 4  # of the exported network within the time of a search
SCALES = (1.5, 2.0)  # of the widths of roots, where there is time
EPOCHS_OF_WIDER, EXAMPLES_OF_WIDER = 12, 30_000  # of the exported network, at least
PARAMETERS_AN_EXAMPLE, LEAST_PARAMETERS = 500, 1_000_000

TRIAL_DECAY, TRIAL_AVERAGING = 0.0, 0.2  # a trial is a piece of a training: the rate stays
INHERITED_DECAY = 1.0  # of a final fit that is the last piece


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """Training before a final fit, in seconds, and the epochs of the winner's lineage."""

    in_lineage: float  # of the trials whose weights the final fit inherits
    total: float  # of all trials of the search
    epochs_in_lineage: int  # of an ensemble the mean of its networks'

    def final_epochs(self, share: float) -> int:
        """The epochs after which that share of all training is in the exported network."""
        if not self.in_lineage:
            return 0
        elsewhere = self.total - self.in_lineage
        missing = share / (1 - share) * elsewhere - self.in_lineage
        return ceil(missing * self.epochs_in_lineage / self.in_lineage)


def trials_deadline(config: SearchConfig) -> float | None:
    """Seconds after the start by which the last trial must have ended; None without a limit."""
    seconds = config.budget.seconds
    return None if seconds is None else SEARCH_SHARE * seconds


def default_bounds(spec: DatasetSpec, budget: Budget) -> Bounds:
    """A few times the size of the roots, small enough for the budget and the data.

    Without a bound the surrogate, having seen that larger is better, prefers networks whose
    training takes all the time. With a budget in seconds, there is time for enough epochs of the
    exported network. Parameters are bounded by the examples, but the roots always fit.
    """
    found = all_roots(spec, Bounds()).values()
    usual = Bounds().parameters
    parameters = max(min(usual, _most_parameters(spec)), max(root.parameters for root in found))
    largest = max(root.flops for root in found)
    if budget.seconds is None:
        return Bounds(flops=GROWTH * largest, parameters=parameters)
    growth = GROWTH * max(1.0, budget.seconds / GROWTH_SECONDS)
    timely = _seconds_for_an_example(budget.seconds, spec) / SECONDS_AN_OPERATION
    first = roots(spec, Bounds())[0]
    flops = max(first.flops, int(min(timely, growth * largest)))
    return Bounds(flops=flops, parameters=parameters)


def _seconds_for_an_example(seconds: float, spec: DatasetSpec) -> float:
    return GOAL_SHARE * seconds / (WORTHWHILE_EPOCHS * spec.train_examples)


def bounds(config: SearchConfig, spec: DatasetSpec) -> Bounds:
    """The bounds of a search: those given, the others chosen; a given None means no bound."""
    chosen = default_bounds(spec, config.budget)
    if config.bounds is None:
        return chosen
    given = {name: getattr(config.bounds, name) for name in config.bounds.model_fields_set}
    return chosen.model_copy(update=given)


def race_size(config: SearchConfig, spec: DatasetSpec) -> int:
    """How many kinds of roots a search starts from; most of its budget must be left."""
    if not STRATEGIES[config.strategy].inherits:
        return 1
    budget = config.budget
    affordable = [min(len(kinds_of_roots(spec)), MOST_ROOTS)]
    if budget.seconds is not None:
        root = _root_seconds(config, spec)
        affordable.append(int(RACE_SHARE * budget.seconds * config.parallelism / root))
    if budget.trials is not None:
        affordable.append(budget.trials // TRIALS_A_ROOT)
    if budget.epochs is not None:
        affordable.append(budget.epochs // (TRIALS_A_ROOT * TRIAL_EPOCHS[1]))
    return max(1, min(affordable))


def race_roots(config: SearchConfig, spec: DatasetSpec, bounds: Bounds) -> tuple[Architecture, ...]:
    """The roots that a search starts from, the default first."""
    (first,) = roots(spec, bounds)
    kinds = _scaled_roots(config, spec, bounds)
    count = race_size(config, spec)
    racers = [kinds[kind] for kind in racing_kinds(spec) if kind in kinds]
    return tuple(racers[:count]) if count > 1 and len(racers) > 1 else (first,)


def _scaled_roots(
    config: SearchConfig, spec: DatasetSpec, bounds: Bounds
) -> dict[str, Architecture]:
    """Each kind of root, at the largest scale for which there is time for enough epochs."""
    found = dict(all_roots(spec, bounds))
    if config.budget.seconds is None:
        return found
    usual = PRIOR_SPEED
    for scale in SCALES:
        for kind, root in all_roots(spec, bounds, scale).items():
            examples = max(EXAMPLES_OF_WIDER, EPOCHS_OF_WIDER * spec.train_examples)
            timely = examples * usual.seconds(root) <= GOAL_SHARE * config.budget.seconds
            if timely and root.parameters <= _most_parameters(spec):
                found[kind] = root
    return found


def _most_parameters(spec: DatasetSpec) -> int:
    """The most parameters that the training examples can be expected to determine."""
    return max(LEAST_PARAMETERS, PARAMETERS_AN_EXAMPLE * spec.train_examples)


def is_in_race(config: SearchConfig, spec: DatasetSpec, *, number: int, inherited: bool) -> bool:
    """Whether a trial is one of several roots that are compared after a short training."""
    size = race_size(config, spec)
    splits = 1 + len(split_seeds(config, spec))
    return not inherited and number < size * splits and size > 1


def split_seeds(config: SearchConfig, spec: DatasetSpec) -> tuple[int, ...]:
    """The seeds of the further validation splits on which the first trials are repeated.

    None where the examples suffice to judge by one split, or the budget does not allow repeats.
    """
    count = config.training.splits or _usual_splits(config, spec)
    if not STRATEGIES[config.strategy].inherits:
        count = 1
    return tuple(config.seed + number for number in range(1, count))


def _usual_splits(config: SearchConfig, spec: DatasetSpec) -> int:
    often = _epochs_in_time(config, spec) >= PASSES_OF_REPEATED
    if config.budget.seconds is None or config.budget.trials is not None:
        return 1
    is_long = _root_seconds(config, spec) >= SPLITS * LEAST_SECONDS
    return SPLITS if is_long and often and spec.train_examples < REPEATED_BELOW else 1


def goal(config: SearchConfig, spec: DatasetSpec) -> Goal:
    """The training that the exported network will have had."""
    if config.budget.seconds is not None:
        return Goal(seconds=GOAL_SHARE * config.budget.seconds)
    trial = config.training.epochs or _epochs(TRIAL_EXAMPLES, spec, TRIAL_EPOCHS)
    final = config.training.final_epochs or _epochs(FINAL_EXAMPLES, spec, FINAL_EPOCHS)
    return Goal(epochs=float(final + 3 * trial))


def example_seconds(config: SearchConfig, spec: DatasetSpec) -> float | None:
    """The most seconds of training for one example, so that there is time for enough epochs.

    None without a time limit.
    """
    if config.budget.seconds is None:
        return None
    return _seconds_for_an_example(config.budget.seconds, spec)


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
        seconds = config.training.trial_seconds or _usual_seconds(config, spec)
        if deadline < FEWEST_WITH_FINALISTS * seconds:
            return None
        left.append(int(max(0.0, deadline - elapsed) / seconds) * config.parallelism)
    return min(left) if left else None


def trial_hyperparameters(
    config: SearchConfig,
    spec: DatasetSpec,
    *,
    elapsed: float,
    inherited: bool,
    morphed: bool = False,
    in_race: bool = False,
    choices: TrainingChoices | None = None,
) -> Hyperparameters:
    """The hyper-parameters of a trial that starts `elapsed` seconds after its search.

    One `in_race` is one of several roots that are compared after a short training. One that is
    not `morphed` from its parent may be repeated on several splits, which share its time.
    """
    training = config.training
    splits = 1 if morphed else 1 + len(split_seeds(config, spec))
    limit = _trial_seconds(config, spec, elapsed, in_race, splits)
    epochs = training.epochs or (
        TIMED_EPOCHS if limit is not None else _epochs(TRIAL_EXAMPLES, spec, TRIAL_EPOCHS)
    )
    passes = _epochs_in_time(config, spec)
    return hyperparameters(config, spec, epochs, limit, passes, choices).model_copy(
        update={
            "rung": RUNG if inherited else 1.0,
            "decay": TRIAL_DECAY,
            "averaging": TRIAL_AVERAGING,
        }
    )


def final_hyperparameters(
    config: SearchConfig,
    spec: DatasetSpec,
    *,
    elapsed: float,
    inherited: bool = False,
    spent: Spent | None = None,
    choices: TrainingChoices | None = None,
) -> Hyperparameters:
    """The hyper-parameters of a final fit that starts `elapsed` seconds after its search.

    Without a time limit it lasts until a share `IN_WINNER` of all training has gone into the
    exported network, given the training before it.
    """
    training, seconds = config.training, config.budget.seconds
    if seconds is None:
        limit = None
        least = _epochs(FINAL_EXAMPLES, spec, FINAL_EPOCHS)
        missing = least if spent is None else spent.final_epochs(IN_WINNER)
        most = max(least, MOST_FINAL_EXAMPLES // spec.train_examples)
        epochs = training.final_epochs or min(most, max(least, missing))
    else:
        end = max(END_SECONDS, END_SHARE * seconds)
        limit = max(SHORTEST_TRIAL, seconds - elapsed - end)
        epochs = training.final_epochs or TIMED_EPOCHS
    passes = _epochs_in_time(config, spec)
    return hyperparameters(config, spec, epochs, limit, passes, choices).model_copy(
        update={"patience": None, "decay": INHERITED_DECAY if inherited else DECAY}
    )


def promoted(config: SearchConfig, spec: DatasetSpec) -> int:
    """How many roots are trained on after their first short training.

    Where few examples are seen very often, the order of networks changes late in training.
    """
    many = _epochs_in_time(config, spec) >= MANY_PASSES and config.budget.seconds is not None
    return MOST_ROOTS if many else PROMOTED


def alternatives_tried(config: SearchConfig, spec: DatasetSpec) -> tuple[TrainingChoices, ...]:
    """The training choices that a search tries, beside the usual ones: none where time is short.

    They keep a network from memorising examples, so nothing is gained where the exported network
    sees each of them a few times only.
    """
    if not STRATEGIES[config.strategy].inherits:
        return ()
    passes = _epochs_in_time(config, spec)
    found = alternatives(config, spec, passes)
    if config.training.alternatives is not None:
        return found[: config.training.alternatives]
    count = int(passes / PASSES_AN_ALTERNATIVE)
    if config.budget.seconds is not None:
        count = min(count, round(MOST_ALTERNATIVES / _length(config.budget.seconds)))
    if config.budget.trials is not None:
        count = min(count, config.budget.trials // TRIALS_AN_ALTERNATIVE)
    return found[:count]


def networks(config: SearchConfig, spec: DatasetSpec) -> int:
    """How many networks are exported as one, at most.

    One, unless there is time for more epochs than a single network can use: beyond some hundred
    it gets no better, while several networks do. One also where the user wants a small network.
    """
    if config.training.ensemble is not None:
        return config.training.ensemble
    wants_small = config.cost is not None or config.bounds is not None
    if config.budget.seconds is None or wants_small or config.training.final_weights == "fresh":
        return 1
    passes = _epochs_in_time(config, spec)
    return max(1, min(MOST_NETWORKS, int(passes / PASSES_A_NETWORK)))


def patience(config: SearchConfig) -> int | None:
    """After how many children in a row without a new winner a search starts its final fit.

    None where seconds do not limit it: then it makes all the trials of its budget.
    """
    if config.budget.seconds is None:
        return None
    return ceil(PATIENCE * sqrt(config.budget.seconds / LONG_SECONDS))


def _length(seconds: float) -> float:
    """The factor by which a trial of a long search has a smaller share of the time."""
    return sqrt(min(1.0, LONG_SECONDS / seconds))


def _root_seconds(config: SearchConfig, spec: DatasetSpec) -> float:
    return _seconds(config, spec, ROOT_SHARE)


def _usual_seconds(config: SearchConfig, spec: DatasetSpec) -> float:
    """The seconds of a trial that is not in the race, in a search limited in seconds."""
    return _seconds(config, spec, TRIAL_SHARE)


def _seconds(config: SearchConfig, spec: DatasetSpec, share: float) -> float:
    """A share of the time for one trial, but enough to learn something: some epochs, or 4 s."""
    assert config.budget.seconds is not None
    shortest = min(SHORTEST_TRIAL, max(LEAST_SECONDS, EPOCHS_OF_SHORTEST * _epoch_seconds(spec)))
    return max(shortest, share * _length(config.budget.seconds) * config.budget.seconds)


def _trial_seconds(
    config: SearchConfig, spec: DatasetSpec, elapsed: float, in_race: bool, splits: int
) -> float | None:
    """The seconds that a trial may take: its share of the search's time, and not past its end."""
    deadline = trials_deadline(config)
    given = config.training.trial_seconds
    if deadline is None or config.budget.seconds is None:
        return given
    if given is None and config.training.epochs is None:
        given = _root_seconds(config, spec) if in_race else _usual_seconds(config, spec)
        given /= splits
    left = max(1.0, deadline - elapsed)
    return left if given is None else min(given, left)


def _epochs(examples: int, spec: DatasetSpec, limits: tuple[int, int]) -> int:
    least, most = limits
    return min(most, max(least, ceil(examples / spec.train_examples)))


def _epochs_in_time(config: SearchConfig, spec: DatasetSpec) -> float:
    """About how many epochs the exported network can be trained for; many without a limit."""
    if config.budget.seconds is None:
        return float(FINAL_EPOCHS[1])
    return GOAL_SHARE * config.budget.seconds / _epoch_seconds(spec)


def _epoch_seconds(spec: DatasetSpec) -> float:
    """The seconds of an epoch of a usual network on one thread, before anything is measured."""
    usual = all_roots(spec, Bounds())[racing_kinds(spec)[0]]
    return PRIOR_SPEED.seconds(usual) * spec.train_examples
