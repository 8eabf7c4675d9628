"""The promises of every registered strategy."""

import dataclasses
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cache
from uuid import UUID

import numpy as np
import pytest

from benchmarks.histories import SPEC, history
from core.errors import InvalidInput, UnknownKind
from core.graph.architecture import Architecture
from core.graph.bounds import fits, measured_bounds
from core.graph.forward import forward
from core.graph.roots import roots
from core.graph.weights import check
from core.layers import Dense, Input, Output, ReLU
from core.morphisms import MORPHISMS, apply_all, legal, transfer_all
from core.protocol.contracts.bounds import Bounds
from core.protocol.contracts.search_config import Cost
from core.protocol.states import TrialStatus
from core.search.history import PastTrial, Suggestion, SuggestRequest
from core.search.strategies import STRATEGIES, strategy
from core.search.strategies.abstract import random_morphs
from tests.strategies import Sketch, random_inputs, random_weights

every_strategy = pytest.mark.parametrize("kind", list(STRATEGIES))

BOUNDS = Bounds(layers=40, flops=40 * roots(SPEC, Bounds())[0].flops)
QUICK: dict[str, dict[str, float | str | bool]] = {
    "bayesian": {"candidates": 40},
    "bo-scratch": {"candidates": 40},
}
HISTORY = history(14, seed=7)


def became(trial: PastTrial, status: TrialStatus) -> PastTrial:
    """The trial with another end, or without one."""
    if status in (TrialStatus.COMPLETED, TrialStatus.STOPPED):
        return dataclasses.replace(trial, status=status)
    return dataclasses.replace(trial, status=status, value=None, value_std=None, inheritable=False)


#: Histories by what is special about them.
HISTORIES: dict[str, tuple[PastTrial, ...]] = {
    "all completed": HISTORY,
    "one completed": HISTORY[:1],
    "one pending": (became(HISTORY[0], TrialStatus.RUNNING),),
    "all kinds": tuple(
        became(trial, list(TrialStatus)[trial.number % len(TrialStatus)]) for trial in HISTORY
    ),
    "nothing worked": tuple(
        became(trial, status)
        for trial, status in zip(
            HISTORY, (TrialStatus.INFEASIBLE, TrialStatus.FAILED, TrialStatus.LOST), strict=False
        )
    ),
    "weights without a value": (
        dataclasses.replace(HISTORY[0], status=TrialStatus.STOPPED, value=None, value_std=None),
    ),
    "equal values": tuple(dataclasses.replace(trial, value=0.5) for trial in HISTORY),
    "most failed": (*HISTORY[:3], *(became(trial, TrialStatus.FAILED) for trial in HISTORY[3:])),
    "many pending": (HISTORY[0], *(became(trial, TrialStatus.WAITING) for trial in HISTORY[1:])),
}
every_history = pytest.mark.parametrize("trials", HISTORIES.values(), ids=HISTORIES)


def suggested(
    kind: str,
    trials: Sequence[PastTrial],
    count: int = 3,
    seed: int = 0,
    bounds: Bounds = BOUNDS,
    cost: Cost | None = None,
) -> list[Suggestion]:
    return strategy(kind, QUICK.get(kind, {}), cost).suggest(
        request(trials, count, np.random.default_rng(seed), bounds)
    )


def request(
    trials: Sequence[PastTrial], count: int, rng: np.random.Generator, bounds: Bounds
) -> SuggestRequest:
    return SuggestRequest(
        completed=[trial for trial in trials if not trial.is_pending],
        pending=[trial for trial in trials if trial.is_pending],
        count=count,
        bounds=bounds,
        rng=rng,
    )


@every_strategy
@every_history
def test_suggestions_are_new_and_within_the_bounds(kind, trials):
    suggestions = suggested(kind, trials)

    names = {one.architecture.fingerprint for one in suggestions}
    assert len(names) == len(suggestions) == 3
    assert not names & {trial.architecture.fingerprint for trial in trials}
    assert all(fits(one.architecture, BOUNDS) for one in suggestions)


@every_strategy
def test_no_suggestion_has_an_excluded_layer(kind):
    bounds = BOUNDS.model_copy(update={"without_layers": ("silu", "add")})
    trials = [one for one in HISTORY if fits(one.architecture, bounds)]
    assert len(trials) > 1
    suggestions = suggested(kind, trials, count=8, bounds=bounds)
    assert suggestions
    assert all(fits(one.architecture, bounds) for one in suggestions)


@pytest.mark.parametrize("kind", [kind for kind, cls in STRATEGIES.items() if cls.inherits])
def test_networks_are_changed_in_the_chosen_ways_alone(kind):
    bounds = BOUNDS.model_copy(update={"morphisms": ("deepen", "add_skip")})
    suggestions = suggested(kind, HISTORY, count=8, bounds=bounds)
    made = {MORPHISMS.kind_of(one) for found in suggestions for one in found.morphisms}
    assert made
    assert made <= {"deepen", "add_skip"}


@pytest.mark.parametrize("kind", [kind for kind in STRATEGIES if hasattr(STRATEGIES[kind], "cost")])
@pytest.mark.parametrize("cost", Cost)
@every_history
def test_with_a_cost_suggestions_are_new_and_within_the_bounds_as_well(kind, cost, trials):
    bounds = measured_bounds(
        BOUNDS.model_copy(update={"latency": 1.0}), [(HISTORY[0].architecture, 0.01)]
    )
    suggestions = suggested(kind, trials, bounds=bounds, cost=cost)

    names = {one.architecture.fingerprint for one in suggestions}
    assert len(names) == len(suggestions) == 3
    assert not names & {trial.architecture.fingerprint for trial in trials}
    assert all(fits(one.architecture, bounds) for one in suggestions)
    assert suggestions == suggested(kind, trials, bounds=bounds, cost=cost)


@every_strategy
@every_history
def test_suggestions_are_made_of_trials_and_can_be_trained(kind, trials):
    """Of a parent with weights where there is any: the weights fit the suggestion and it runs."""
    rng = np.random.default_rng(0)
    for one in suggested(kind, trials, count=12):
        parent = one.parent
        if not STRATEGIES[kind].inherits:
            assert parent is None
            assert one.morphisms == ()
            continue
        assert parent in trials
        assert parent.inheritable or not any(trial.inheritable for trial in trials)
        assert apply_all(parent.architecture, one.morphisms) == one.architecture
        weights = random_weights(parent.architecture, rng)
        weights = transfer_all(parent.architecture, weights, one.morphisms, rng)
        check(one.architecture, weights)
        logits = forward(one.architecture, weights, random_inputs(one.architecture, rng))
        assert np.isfinite(logits).all()
        assert logits.shape == (4, SPEC.classes)


@every_strategy
@every_history
def test_the_same_history_and_seed_have_the_same_suggestions(kind, trials):
    once = suggested(kind, trials, seed=3)
    reloaded = [dataclasses.replace(t, architecture=reread(t.architecture)) for t in trials]
    again = suggested(kind, reloaded, seed=3)
    assert [describe(one) for one in once] == [describe(one) for one in again]


def reread(architecture: Architecture) -> Architecture:
    """The architecture as it comes back from a database."""
    return Architecture.from_json(architecture.to_json())


def describe(one: Suggestion) -> tuple[object, ...]:
    parent = one.parent.trial_id if one.parent else None
    text = one.architecture.canonical_json()
    return parent, one.morphisms, text, one.predicted_mean, one.predicted_std


@pytest.mark.parametrize("kind", sorted(set(STRATEGIES) - {"grid"}))  # which draws nothing
def test_other_seeds_have_other_suggestions(kind):
    suggestions = [suggested(kind, HISTORY, count=1, seed=seed)[0] for seed in range(5)]
    assert len({one.architecture for one in suggestions}) > 1


@every_strategy
def test_pending_trials_are_not_suggested_again(kind):
    """As when a second slot frees itself before the first suggestion has ended."""
    trials = list(HISTORY)
    for number in range(len(HISTORY), len(HISTORY) + 5):
        (one,) = suggested(kind, trials, count=1)  # one seed: the same draws each time
        assert one.architecture not in [trial.architecture for trial in trials]
        trials.append(pending(number, one.architecture))


def pending(number: int, architecture: Architecture) -> PastTrial:
    return PastTrial(
        trial_id=UUID(int=number),
        number=number,
        architecture=architecture,
        status=TrialStatus.WAITING,
    )


@every_strategy
def test_predictions_are_numbers_or_none(kind):
    for trials in HISTORIES.values():
        for one in suggested(kind, trials):
            if one.predicted_mean is not None or one.predicted_std is not None:
                assert np.isfinite([one.predicted_mean, one.predicted_std]).all()
                assert one.predicted_std >= 0


# --- when little is left ------------------------------------------------------------------------


def small() -> Architecture:
    sketch = Sketch()
    for layer in (Input((4,)), Dense(4), ReLU(), Dense(3), Output()):
        sketch.add(layer)
    return Architecture(tuple(sketch.nodes))


TIGHT = Bounds(layers=7, width=8)


@cache
def space(start: Architecture, bounds: Bounds) -> Mapping[Architecture, frozenset[Architecture]]:
    """Everything that morphisms reach from a start, each with what one more of them reaches."""
    found: dict[Architecture, frozenset[Architecture]] = {}
    waiting = [start]
    while waiting:
        architecture = waiting.pop()
        if architecture not in found:
            morphisms = legal(architecture, bounds)
            found[architecture] = frozenset(morphism.apply(architecture) for morphism in morphisms)
            waiting += found[architecture]
    return found


@every_strategy
def test_a_small_space_is_searched_to_its_end(kind):
    everything = set(space(small(), TIGHT))
    trials = [completed(0, small())]
    while suggestions := suggested(kind, trials, count=4, seed=len(trials), bounds=TIGHT):
        trials += [
            completed(len(trials) + i, one.architecture) for i, one in enumerate(suggestions)
        ]
    assert len(everything) > 20
    assert len(trials) == len(everything)
    assert {trial.architecture for trial in trials} == everything


def completed(number: int, architecture: Architecture) -> PastTrial:
    return dataclasses.replace(
        pending(number, architecture),
        status=TrialStatus.COMPLETED,
        value=0.5 + architecture.parameters / 1000,
        inheritable=True,
    )


def test_the_last_remaining_random_morph_is_found():
    """Even if only one morphism of one trial leads there, so that chance rarely finds it."""
    bounds = Bounds(layers=9, width=8)
    reached = space(small(), bounds)
    everything = sorted(reached, key=lambda one: one.fingerprint)
    ways = Counter(child for children in reached.values() for child in children)
    hidden = [one for one in everything if ways[one] == 1 and one != small()][:2]
    assert len(everything) > 150
    assert len(hidden) == 2
    for last in hidden:
        trials = [completed(number, one) for number, one in enumerate(everything) if one != last]
        rng = np.random.default_rng(0)
        (one,) = random_morphs(request(trials, 3, rng, bounds), trials)
        assert one.architecture == last


@every_strategy
def test_an_exhausted_space_gives_no_suggestions(kind):
    bounds = Bounds(layers=len(small().nodes), width=8)
    others = enumerate(set(space(small(), bounds)) - {small()}, start=1)
    ended = [completed(number, one) for number, one in others]
    running = [became(trial, TrialStatus.RUNNING) for trial in ended]
    for trials in (ended, running):
        assert suggested(kind, [completed(0, small()), *trials], bounds=bounds) == []
    assert suggested(kind, []) == []
    assert suggested(kind, HISTORY, count=0) == []


# --- options ------------------------------------------------------------------------------------


@every_strategy
def test_defaults_may_be_given_and_unknown_options_are_refused(kind):
    defaults = strategy(kind, {})
    options = {f.name: getattr(defaults, f.name) for f in dataclasses.fields(defaults)}
    options.pop("cost", None)  # the search's
    assert strategy(kind, options) == defaults
    with pytest.raises(InvalidInput, match="has no option 'colour'"):
        strategy(kind, options | {"colour": 1})
    for name, value in options.items():
        wrong = 3 if isinstance(value, str) else "three"
        for other in (wrong,) if isinstance(value, bool) else (wrong, True):
            with pytest.raises(InvalidInput, match=f"option '{name}'"):
                strategy(kind, {name: other})


@pytest.mark.parametrize(
    "options",
    [
        {"beta": -0.1},
        {"beta": float("nan")},
        {"candidates": 0},
        {"candidates": 2.5},
        {"morphisms": 0},
        {"kernel": "rbf"},
        {"acquisition": "ei"},
        {"acquisition": "log-ei", "cost_weight": -1.0},
        {"cost_weight": 1.0},
    ],
)
def test_options_out_of_range_are_refused(options):
    with pytest.raises(InvalidInput):
        strategy("bayesian", options)


def test_numbers_may_be_written_as_integers_or_floats():
    assert strategy("bayesian", {"candidates": 50.0, "beta": 2}) == strategy(
        "bayesian", {"candidates": 50, "beta": 2.0}
    )


def test_an_unknown_strategy_is_refused_with_what_is_known():
    with pytest.raises(UnknownKind, match=r"unknown strategy 'greedy'; known are: .*random"):
        strategy("greedy", {})
