"""Searches side by side."""

import re

import pytest

from core.protocol.contracts import Budget
from tests.api.conftest import dataset_spec


@pytest.fixture
def three(visitor, world):
    """Two searches that differ only in their seed, and one by another strategy."""
    dataset = world.dataset(visitor.caller, spec=dataset_spec())
    made = []
    for values, config in (
        ((0.5, 0.4, 0.8), {"seed": 1}),
        ((0.3, 0.7), {"seed": 2}),
        ((0.6,), {"seed": 1, "strategy": "random", "budget": Budget(trials=9)}),
    ):
        search_id = world.search(visitor.caller, dataset_id=dataset, **config)
        for value in values:
            world.trial(search_id, value=value)
        made.append(search_id)
    return made


def query(ids):
    return "&".join(f"search={one}" for one in ids)


def test_settings_that_differ_are_shown_and_no_others(visitor, three):
    page = visitor.http.get(f"/compare?{query(three)}").text
    settings = page[page.index("Settings that differ") :]
    assert re.findall(r'<th scope="row">([^<]*)<', settings) == [
        "strategy", "budget: trials", "seed",
    ]  # fmt: skip
    assert "2 searches differ only in their seed" in page
    assert "80.00 %" in page


def test_searches_that_differ_in_their_seed_have_a_median_and_a_band(visitor, three):
    lines = visitor.http.get(f"/ui/compare/figure?{query(three)}").json()["data"]
    named = {one.get("name"): (one["x"], one["y"]) for one in lines}
    assert named["median of 2 seeds"] == ([0, 1], [0.4, 0.6])  # as far as both have values
    assert named["worst to best"] == ([0, 1], [0.5, 0.7])
    alone = [one for one in lines if one.get("name") == "a search"]
    assert [one["y"] for one in alone] == [[0.5, 0.5, 0.8], [0.3, 0.7], [0.6]]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_searches_without_values_are_drawn_too(visitor, world, theme):
    ids = [world.search(visitor.caller) for _ in "12"]
    path = f"/ui/compare/figure?{query(ids)}&theme={theme}"
    assert visitor.http.get(path).status_code == 200


def test_only_two_to_five_searches_of_ones_own_are_compared(visitor, person, world, three):
    one, two, three_ = three
    for chosen in ([], [one], [one, one], [*three, *(world.search(visitor.caller) for _ in "123")]):
        answer = visitor.http.get(f"/compare?{query(chosen)}")
        assert answer.status_code == 422
        assert "expected 2 to 5: tick them in the list" in answer.text
    theirs = world.search(person().caller)
    for path in ("/compare", "/ui/compare", "/ui/compare/figure"):
        assert visitor.http.get(f"{path}?{query([two, theirs])}").status_code == 404
    boxes = re.findall(
        r'<input type="checkbox" name="search" value="([^"]*)"', visitor.http.get("/").text
    )
    assert {str(two), str(three_)} < set(boxes)
