"""What a search starts from and tries where the user chose nothing: bounds, roots, alternatives.

Notation
    n   training examples, validation split included
    S   seconds of the budget, from the start of the search to the exported network

The figures were measured on two CPU cores; `docs/log.md` has the measurements.
"""

from collections.abc import Mapping, Sequence

from core.errors import InvalidInput
from core.graph import speed
from core.graph.architecture import Architecture
from core.graph.bounds import width
from core.graph.roots import all_roots, kinds_of_roots, racing_kinds, roots
from core.graph.speed import PRIOR_SPEED
from core.protocol.contracts.bounds import Bounds
from core.protocol.contracts.budgets import Budget
from core.protocol.contracts.datasets import DatasetSpec
from core.protocol.contracts.search_config import Cost, SearchConfig
from core.protocol.contracts.training_choices import TrainingChoices
from core.search.history import PastTrial
from core.search.pace import (
    GOAL_SHARE,
    MANY_PASSES,
    TRIAL_EPOCHS,
    length,
    passes_in_time,
    root_seconds,
    seconds_for_an_example,
)
from core.search.recipe import FEW_EXAMPLES, alternatives
from core.search.splits import split_seeds
from core.search.strategies import STRATEGIES

RACE_SHARE = 0.08  # of S, for the roots together
MOST_ROOTS = 3  # in the race
ALONE = "resnet9"  # the root of images that are seen rarely, where one worker trains
TRIALS_A_ROOT = 4  # in a search that is limited in trials
PROMOTED = 2  # roots trained on after the race
MOST_ALTERNATIVES = 2  # training choices tried; more in long searches
PASSES_AN_ALTERNATIVE = 20  # epochs of the exported network for each of them, at least
TRIALS_AN_ALTERNATIVE = 10  # in a search that is limited in trials
MOST_NETWORKS = 4  # of an ensemble, where time is plentiful
PASSES_OF_TWO, PASSES_OF_ANOTHER = 120, 70  # epochs in all: for two networks, for each further one
GROWTH = 8  # FLOPs of the largest architecture, in those of the first root
ROOM = 2  # size of the largest architecture, at least, in that of a root that the user gave
GROWTH_SECONDS = 1800.0  # budgets beyond this allow more in proportion
SECONDS_AN_OPERATION = 2e-11  # of training, at least, before anything is measured
SCALES = (1.5, 2.0)  # of the widths of roots, where there is time
EPOCHS_OF_WIDER, EXAMPLES_OF_WIDER = 12, 30_000  # of the exported network, at least
EPOCHS_OF_FEW = 300  # the same for few images: several usual networks use the time better
EPOCHS_OF_RARE = 6  # the same where images are seen rarely
PARAMETERS_AN_EXAMPLE, LEAST_PARAMETERS = 500, 1_000_000
KINDS = {"morphisms", "without_layers"}  # bounds that do not limit a size


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
    timely = seconds_for_an_example(budget.seconds, spec) / SECONDS_AN_OPERATION
    first = roots(spec, Bounds())[0]
    flops = max(first.flops, int(min(timely, growth * largest)))
    return Bounds(flops=flops, parameters=parameters)


def bounds(config: SearchConfig, spec: DatasetSpec, root: Architecture | None = None) -> Bounds:
    """The bounds of a search: those given, the others chosen; a given None means no bound.

    The chosen ones leave room for a root that the user gave to grow.
    """
    chosen = default_bounds(spec, config.budget)
    if root is not None:
        chosen = _with_room(chosen, root, GROWTH if config.budget.seconds is None else ROOM)
    given = config.bounds or Bounds()
    chosen = chosen.model_copy(
        update={name: getattr(given, name) for name in given.model_fields_set}
    )
    return _at_most(chosen, root, config.cost) if root and config.keep_accuracy else chosen


def _at_most(chosen: Bounds, root: Architecture, cost: Cost | None) -> Bounds:
    """The bounds, where needed smaller: the root's own cost, where it is known beforehand."""
    if cost is Cost.LATENCY:
        return chosen
    name, least = ("flops", root.flops) if cost is Cost.FLOPS else ("parameters", root.parameters)
    bound = getattr(chosen, name)
    return chosen.model_copy(update={name: min(least, bound or least)})


def check_keeping(config: SearchConfig) -> None:
    """Raise InvalidInput where a search cannot keep the accuracy of a root."""
    if not config.keep_accuracy:
        return
    if config.root is None:
        raise InvalidInput(
            "keep_accuracy: the search has no root whose accuracy could be kept; expected `root`, "
            "an uploaded network"
        )
    if (config.training.ensemble or 1) > 1:
        raise InvalidInput(
            f"keep_accuracy: training.ensemble is {config.training.ensemble}; expected 1 or "
            "nothing: several networks cost more than one"
        )


def _with_room(chosen: Bounds, root: Architecture, growth: int) -> Bounds:
    """The bounds, where needed larger: `ROOM` times the root, in FLOPs `growth` times the root."""
    least = {
        "layers": ROOM * len(root.nodes),
        "width": ROOM * width(root),
        "parameters": ROOM * root.parameters,
        "flops": growth * root.flops,
    }
    found = {name: max(value, getattr(chosen, name) or 0) for name, value in least.items()}
    return chosen.model_copy(update=found)


def race_size(config: SearchConfig, spec: DatasetSpec) -> int:
    """How many kinds of roots a search starts from; most of its budget must be left.

    Not more than train at the same time where images are seen rarely: no race that leaves most of
    the time shows there which kind is better in the end.
    """
    if config.root is not None or not STRATEGIES[config.strategy].inherits:
        return 1
    budget = config.budget
    affordable = [min(len(kinds_of_roots(spec)), MOST_ROOTS)]
    if budget.seconds is not None:
        root = root_seconds(config, spec)
        affordable.append(int(RACE_SHARE * budget.seconds * config.parallelism / root))
        if _are_images_seen_rarely(config, spec):
            affordable.append(config.parallelism)
    if budget.trials is not None:
        affordable.append(budget.trials // TRIALS_A_ROOT)
    if budget.epochs is not None:
        affordable.append(budget.epochs // (TRIALS_A_ROOT * TRIAL_EPOCHS[1]))
    return max(1, min(affordable))


def race_roots(
    config: SearchConfig,
    spec: DatasetSpec,
    bounds: Bounds,
    given: Architecture | None = None,
    trials: Sequence[PastTrial] = (),
) -> tuple[Architecture, ...]:
    """The roots that a search starts from, the default first; the given one alone, if any.

    How wide they are depends on how fast they are trained: as expected before anything is measured,
    then as the first of the `trials` was. Those that began stay as they are; but where the first
    one was too wide, its kind comes once more, with the training of a usual trial.
    """
    if given is not None:
        return (given,)
    (first,) = roots(spec, bounds)
    scales = (1.0,) if config.budget.seconds is None else (1.0, *SCALES)
    versions = [all_roots(spec, bounds, scale) for scale in scales]
    kinds = _widest_in_time(config, spec, versions, slowness(trials))
    count = race_size(config, spec)
    racers = [kind for kind in racing_kinds(spec) if kind in kinds][:count]
    if len(racers) < 2:
        if not (_are_images_seen_rarely(config, spec) and ALONE in kinds):
            return (first,)
        racers = [ALONE]
    return tuple(_entry(kind, kinds[kind], versions, trials) for kind in racers)


def _are_images_seen_rarely(config: SearchConfig, spec: DatasetSpec) -> bool:
    """Whether a search of its own roots will export a network that sees each image a few times.

    As far as is known: passes are predicted.
    """
    if config.root is not None or not STRATEGIES[config.strategy].inherits:
        return False
    is_timed = config.budget.seconds is not None
    return is_timed and len(spec.input_shape) == 3 and passes_in_time(config, spec) < MANY_PASSES


def slowness(trials: Sequence[PastTrial]) -> float:
    """The seconds of training for an example of the first trial, in those that were expected.

    1 before any has been trained. `trials` are in the order of their numbers.
    """
    for trial in trials:
        if trial.samples_per_second:
            return speed.slowness(trial.architecture, trial.samples_per_second)
    return 1.0


def _entry(
    kind: str,
    chosen: Architecture,
    versions: Sequence[Mapping[str, Architecture]],  # by scale, all kinds
    trials: Sequence[PastTrial],
) -> Architecture:
    """The root of this kind in the race: the one that began, at whatever scale, or the chosen."""
    names = {roots_of[kind].fingerprint for roots_of in versions if kind in roots_of}
    began = [trial for trial in trials if trial.architecture.fingerprint in names]
    if not began:
        return chosen
    latest = max(began, key=lambda trial: trial.number)
    was_too_wide = latest.number == 0 and chosen.flops < latest.architecture.flops
    return chosen if was_too_wide else latest.architecture


def _widest_in_time(
    config: SearchConfig,
    spec: DatasetSpec,
    versions: Sequence[Mapping[str, Architecture]],
    slowness: float,
) -> dict[str, Architecture]:
    """Each kind of root, at the largest scale for which there is time for enough epochs."""
    usual, *wider = versions
    found = dict(usual)
    is_few = len(spec.input_shape) == 3 and spec.train_examples < FEW_EXAMPLES
    epochs = EPOCHS_OF_FEW if is_few else EPOCHS_OF_WIDER
    if not is_few and _are_images_seen_rarely(config, spec):
        epochs = EPOCHS_OF_RARE
    examples = max(EXAMPLES_OF_WIDER, epochs * spec.train_examples)
    for scaled in wider:
        for kind, root in scaled.items():
            seconds = examples * slowness * PRIOR_SPEED.seconds(root)
            is_timely = seconds <= GOAL_SHARE * (config.budget.seconds or 0.0)
            # What does not fit the bounds at a scale comes back narrower than the usual root.
            is_wider = kind not in found or root.flops > found[kind].flops
            if is_timely and is_wider and root.parameters <= _most_parameters(spec):
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


def promoted(config: SearchConfig, spec: DatasetSpec, slowness: float = 1.0) -> int:
    """How many roots are trained on after their first training.

    Where few examples are seen very often, the order of networks changes late in training: all are.
    Where the first training was as long as that of any trial (see `root_seconds`), as many are as
    train at the same time; also one that begins alone, as nothing else tells how much is gained by
    training without a change. None is where a single root begins for another reason.
    """
    if race_size(config, spec) < 2 and not _are_images_seen_rarely(config, spec):
        return 0
    if config.budget.seconds is None:
        return PROMOTED
    if passes_in_time(config, spec, slowness) >= MANY_PASSES:
        return MOST_ROOTS
    if passes_in_time(config, spec) >= MANY_PASSES:
        return PROMOTED  # the machine is slower than expected
    return min(MOST_ROOTS, config.parallelism)


def alternatives_tried(
    config: SearchConfig, spec: DatasetSpec, slowness: float = 1.0
) -> tuple[TrainingChoices, ...]:
    """The training choices that a search tries, beside the usual ones: none where time is short.

    They keep a network from memorising examples, so nothing is gained where the exported network
    sees each of them a few times only.
    """
    if not STRATEGIES[config.strategy].inherits:
        return ()
    passes = passes_of_a_network(config, spec, slowness)
    found = alternatives(config, spec, passes)
    if config.training.alternatives is not None:
        return found[: config.training.alternatives]
    count = int(passes / PASSES_AN_ALTERNATIVE)
    if config.budget.seconds is not None:
        count = min(count, round(MOST_ALTERNATIVES / length(config.budget.seconds)))
    if config.budget.trials is not None:
        count = min(count, config.budget.trials // TRIALS_AN_ALTERNATIVE)
    return found[:count]


def networks(config: SearchConfig, spec: DatasetSpec, slowness: float = 1.0) -> int:
    """How many networks are exported as one, at most.

    One, unless there is time for more epochs than a single network can use: beyond a hundred it
    hardly gets better, while several networks do. One also where the user wants a small network.
    """
    if config.training.ensemble is not None:
        return config.training.ensemble
    bounded = set() if config.bounds is None else config.bounds.model_fields_set
    wants_small = config.cost is not None or bounded - KINDS
    if config.budget.seconds is None or wants_small or config.training.final_weights == "fresh":
        return 1
    passes = passes_in_time(config, spec, slowness)
    if passes < PASSES_OF_TWO:
        return 1
    return min(MOST_NETWORKS, 2 + int((passes - PASSES_OF_TWO) / PASSES_OF_ANOTHER))


def passes_of_a_network(config: SearchConfig, spec: DatasetSpec, slowness: float = 1.0) -> float:
    """About how many epochs each of the networks that are exported as one can be trained for."""
    return passes_in_time(config, spec, slowness) / networks(config, spec, slowness)
