"""The Pareto front: trials that none beats, the cheapest first, of search trials alone."""

from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.pictures.fronts import best, comparable, cost_of
from api.schemas.trials import TrialOut
from api.store.trials import FrontTrial
from core.protocol.contracts.search_config import Cost
from core.protocol.states import TrialKind


def trial(value: float | None, parameters: int = 1, latency: float | None = None, **values):
    """A trial, of which only the fields of a front count."""
    columns = {
        "id": uuid4(), "number": 0, "kind": TrialKind.SEARCH, "value": value, "value_std": None,
        "parameters": parameters, "flops": 10 * parameters, "latency": latency,
    }  # fmt: skip
    return TrialOut.model_construct(**(columns | values))


def test_only_search_trials_with_a_value_and_a_cost_are_compared() -> None:
    good = trial(0.5, latency=0.1)
    others = [trial(None, latency=0.1), trial(0.9, kind=TrialKind.FINAL, latency=0.1)]
    unmeasured = trial(0.8)

    for cost, expected in (
        (Cost.LATENCY, [good.id]),
        (Cost.PARAMETERS, [good.id, unmeasured.id]),
    ):
        found = comparable([good, *others, unmeasured], cost)
        assert [point.trial_id for point in found] == expected


@pytest.mark.parametrize(
    ("cost", "expected"), [(Cost.PARAMETERS, 7), (Cost.FLOPS, 70), (Cost.LATENCY, 0.25)]
)
def test_a_cost_is_that_of_its_field(cost, expected) -> None:
    (point,) = comparable([trial(0.5, 7, 0.25)], cost)
    assert cost_of(point, cost) == expected


def beats(one: FrontTrial, other: FrontTrial) -> bool:
    """At least as good in both, better in one."""
    at_least = one.value >= other.value and one.parameters <= other.parameters
    return at_least and (one.value > other.value or one.parameters < other.parameters)


@given(st.lists(st.tuples(st.sampled_from([0.1, 0.5, 0.9]) | st.floats(0, 1), st.integers(1, 9))))
def test_nothing_on_the_front_is_beaten_and_everything_off_it_is(pairs) -> None:
    trials = [trial(value, parameters) for value, parameters in pairs]
    points = comparable(trials, Cost.PARAMETERS)
    chosen = best(points, Cost.PARAMETERS, larger_is_better=True)

    assert [p.parameters for p in chosen] == sorted(p.parameters for p in chosen)
    assert [p.value for p in chosen] == sorted(p.value for p in chosen)
    ids = {p.trial_id for p in chosen}
    for point in points:
        beaten = any(beats(other, point) for other in points)
        equal = [p for p in chosen if (p.value, p.parameters) == (point.value, point.parameters)]
        assert (point.trial_id in ids) or beaten or equal
        assert not (point.trial_id in ids and beaten)
