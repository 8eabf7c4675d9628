"""The policy learns which morphisms and which parents help."""

import dataclasses
from uuid import UUID

import numpy as np
import pytest

from benchmarks.histories import BOUNDS, history
from core.errors import InvalidInput
from core.morphisms import MORPHISMS
from core.protocol.states import TrialStatus
from core.search.history import PastTrial, Suggestion, SuggestRequest
from core.search.strategies.reinforce import Reinforce, moves, train

START = dataclasses.replace(history(1)[0], value=0.5)


def ended(number: int, suggestion: Suggestion, value: float | None, **changes: object) -> PastTrial:
    assert suggestion.parent is not None
    return PastTrial(
        trial_id=UUID(int=number),
        number=number,
        architecture=suggestion.architecture,
        status=TrialStatus.COMPLETED,
        value=value,
        inheritable=True,
        parent_id=suggestion.parent.trial_id,
        morphisms=suggestion.morphisms,
    )


def request(trials, rng: np.random.Generator | None = None) -> SuggestRequest:
    return SuggestRequest(completed=trials, bounds=BOUNDS, rng=rng or np.random.default_rng(0))


def kind_of(suggestion: Suggestion) -> str:
    return MORPHISMS.kind_of(suggestion.morphisms[0])


def search(good: str, trials: int, seed: int = 0) -> list[PastTrial]:
    """A search where one kind of morphism raises the value, and any other lowers it."""
    found = [START]
    for number in range(1, trials):
        rng = np.random.default_rng([seed, number])
        (suggestion,) = Reinforce().suggest(request(found, rng))
        assert suggestion.parent is not None
        gain = 0.02 if kind_of(suggestion) == good else -0.02
        value = min(max((suggestion.parent.value or 0) + gain, 0.01), 0.99)
        found.append(ended(number, suggestion, value))
    return found


def chance(trials: list[PastTrial], good: str) -> float:
    """How likely the next morphism of the first network is of this kind."""
    found = moves(START.architecture, BOUNDS)
    policy = train(Reinforce(), request(trials)).morphisms
    likely = policy.probabilities(found.among)
    chosen = [MORPHISMS.kind_of(one) == good for one in found.morphisms]
    return float(likely[chosen].sum())


@pytest.mark.parametrize("good", ["deepen", "widen", "residual"])
def test_the_kind_of_morphism_that_helps_becomes_likelier(good):
    trials = search(good, 40)
    before, between, after = (chance(trials[:number], good) for number in (1, 20, 40))
    assert before < between < after
    assert after > 0.4 > 3 * before


def test_before_any_reward_every_kind_is_equally_likely():
    kinds = {MORPHISMS.kind_of(one) for one in moves(START.architecture, BOUNDS).morphisms}
    chances = [chance([START], kind) for kind in sorted(kinds)]
    assert chances == pytest.approx([1 / len(kinds)] * len(kinds))


def test_where_nothing_matters_nothing_is_learned():
    trials = [dataclasses.replace(trial, value=0.5) for trial in search("widen", 20)]
    assert chance(trials, "widen") == pytest.approx(chance(trials[:1], "widen"))


def test_without_a_rate_nothing_is_learned():
    controller = train(Reinforce(rate=0.0), request(search("widen", 20)))
    assert not any(controller.morphisms.weights.values())


def test_the_order_of_the_given_trials_does_not_matter():
    trials = search("widen", 20)
    turned = train(Reinforce(), request(trials[::-1]))
    assert turned.morphisms == train(Reinforce(), request(trials)).morphisms
    assert turned.parents == train(Reinforce(), request(trials)).parents


def test_better_networks_are_likelier_parents_and_the_worst_of_many_never_are():
    trials = [dataclasses.replace(trial, value=trial.number / 100) for trial in history(40)]
    numbers = []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        (suggestion,) = Reinforce(pool=20).suggest(request(trials, rng))
        assert suggestion.parent is not None
        numbers.append(suggestion.parent.number)
    assert min(numbers) >= 20
    assert sum(number >= 30 for number in numbers) > 40


def test_an_infeasible_trial_counts_as_the_worst():
    trials = search("add_skip", 30)
    infeasible = [
        dataclasses.replace(trial, status=TrialStatus.INFEASIBLE, value=None, inheritable=False)
        if trial.morphisms and MORPHISMS.kind_of(trial.morphisms[0]) == "widen"
        else trial
        for trial in trials
    ]
    assert infeasible != trials
    assert chance(infeasible, "widen") < chance(trials[:1], "widen")


def test_values_need_not_be_shares():
    shifted = [
        dataclasses.replace(trial, value=100 * (trial.value or 0) - 300)
        for trial in search("widen", 40)
    ]
    assert chance(shifted, "widen") > 2 * chance(shifted[:1], "widen")


@pytest.mark.parametrize(
    "options",
    [{"rate": -0.1}, {"rate": float("nan")}, {"memory": 1.1}, {"pool": 0}],
)
def test_options_out_of_range_are_refused(options):
    with pytest.raises(InvalidInput, match="expected 0 to 10"):
        Reinforce(**options)
