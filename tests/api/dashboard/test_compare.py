"""Searches side by side, and trials."""

import re

import pytest

from api.models.trials import Epoch
from api.pictures import fronts
from api.pictures.comparison import differences
from api.store import searches
from api.store.notifications import changed
from core.graph.roots import roots
from core.protocol.contracts.bounds import Bounds
from core.protocol.contracts.budgets import Budget
from core.protocol.states import SearchStatus
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
        "Strategy", "Budget: trials", "Seed",
    ]  # fmt: skip
    assert "2 searches differ only in their seed" in page
    assert "80.00 %" in page


def test_numbers_and_lists_that_differ_are_readable(visitor, world):
    with world.sessions.begin() as session:
        one = searches.get(session, visitor.caller, world.search(visitor.caller))
    budgets = (one.budget.model_copy(update={"seconds": n}) for n in (20.6567299, 7200.0))
    brief, long = (one.model_copy(update={"budget": budget}) for budget in budgets)
    bounds = one.bounds.model_copy(update={"morphisms": ("widen", "deepen")})
    found = differences([brief, long.model_copy(update={"bounds": bounds})])
    assert {row.setting: row.values for row in found} == {
        "budget.seconds": ("20.66", "7,200"),
        "bounds.morphisms": (None, "widen, deepen"),
    }


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
    for name in ("figure", "fronts"):
        path = f"/ui/compare/{name}?{query(ids)}&theme={theme}"
        layout = visitor.http.get(path).json()["layout"]
        assert layout["annotations"][0]["text"] == "No trial has a value."
        assert layout["yaxis"]["visible"] is False


@pytest.mark.parametrize("name", ["figure", "fronts"])
def test_equal_values_are_compared_on_an_axis_that_fits_them(visitor, world, name):
    ids = [world.search(visitor.caller, seed=seed) for seed in (1, 2)]
    for search_id in ids:
        world.trial(search_id, value=0.97)
    path = f"/ui/compare/{name}?{query(ids)}"
    low, high = visitor.http.get(path).json()["layout"]["yaxis"]["range"]
    assert 0.95 < low < 0.97 < high < 1


def test_a_table_that_is_compared_is_sent_again_only_after_a_change(visitor, world):
    ids = [world.search(visitor.caller, SearchStatus.STOPPED) for _ in "12"]
    path = f"/ui/compare?{query(ids)}"
    tag = visitor.http.get(path).headers["etag"]
    same = visitor.http.get(path, headers={"If-None-Match": tag})
    assert (same.status_code, same.content) == (304, b"")
    world.trial(ids[1], value=0.9)
    assert visitor.http.get(path, headers={"If-None-Match": tag}).status_code == 200


@pytest.mark.parametrize("name", ["figure", "fronts"])
def test_a_comparison_is_sent_again_only_after_a_change_of_a_search(name, visitor, world, three):
    path = f"/ui/compare/{name}?{query(three)}"
    for search_id in three:
        tag = visitor.http.get(path).headers["etag"]
        same = visitor.http.get(path, headers={"If-None-Match": tag})
        assert (same.status_code, same.content) == (304, b"")
        world.trial(search_id, value=0.9)
        with world.sessions.begin() as session:
            changed(session, search_id)
        assert visitor.http.get(path, headers={"If-None-Match": tag}).status_code == 200


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


def test_only_searches_of_one_metric_share_an_axis(visitor, world):
    chosen = []
    for task in ("image-classification", "regression", "image-classification"):
        search_id = world.search(visitor.caller, task=task)
        for number, value in enumerate((0.2, 0.4)):
            world.trial(search_id, value=value, parameters=100 + number)
        chosen.append(search_id)
    page = visitor.http.get(f"/compare?{query(chosen)}").text
    shown = re.findall(r'data-figure="([^"]*)"', page)
    assert len(shown) == 4
    titles = []
    for address in shown:
        figure = visitor.http.get(address.replace("&amp;", "&")).json()
        titles.append(figure["layout"]["yaxis"]["title"]["text"])
        assert [one["y"] for one in figure["data"]] == [[0.2, 0.4]] * len(figure["data"])
    assert titles[0::2] == ["best validation accuracy so far", "best validation R² so far"]
    assert titles[1::2] == ["validation accuracy", "validation R²"]
    wrong = visitor.http.get(f"/ui/compare/figure?{query(chosen)}&metric=none")
    assert (wrong.status_code, "expected accuracy or R²" in wrong.text) == (422, True)


def test_the_front_of_a_search_has_earlier_ones_on_the_same_data_behind_it(visitor, person, world):
    data = world.dataset(visitor.caller, builtin=True)
    ids = [world.search(one.caller, dataset_id=data) for one in (visitor, visitor, person())]
    for search_id, value in zip(ids, (0.5, 0.6, 0.7), strict=True):
        world.trial(search_id, value=value)
    world.trial(world.search(visitor.caller, dataset_id=data, metric="log-loss"), value=-0.2)
    lines = visitor.http.get(f"/ui/searches/{ids[1]}/figures/front").json()["data"]
    assert [one["y"] for one in lines] == [
        [0.5],
        [],
        [0.6],
    ]  # earlier, others, its own; none in another metric


def test_a_front_is_sent_again_only_after_a_change_of_a_search_that_it_shows(visitor, world):
    data = world.dataset(visitor.caller, builtin=True)
    earlier, own = (world.search(visitor.caller, dataset_id=data) for _ in "12")
    world.trial(own, value=0.5)
    path = f"/ui/searches/{own}/figures/front"
    for changing in (own, earlier):
        tag = visitor.http.get(path).headers["etag"]
        assert visitor.http.get(path, headers={"If-None-Match": tag}).status_code == 304
        world.trial(changing, value=0.6)
        with world.sessions.begin() as session:
            changed(session, changing)
        assert visitor.http.get(path, headers={"If-None-Match": tag}).status_code == 200


def test_the_network_that_a_search_starts_from_is_named_on_its_front(visitor, world):
    network = world.network(visitor.caller)
    search_id = world.search(visitor.caller, root=network)
    for value in (0.5, 0.4):  # the first one is the given network
        world.trial(search_id, value=value)
    figure = visitor.http.get(f"/ui/searches/{search_id}/figures/front").json()["data"][-1]
    page = visitor.http.get(f"/searches/{search_id}?tab=front").text
    name = figure["name"]
    assert (figure["y"], figure["text"]) == ([0.5], ["0"])
    assert name.startswith("network ")
    assert f'<div class="sub given">{name}</div>' in page
    assert f"The diamond is {name}" in page
    with world.sessions.begin() as session:
        front = fronts.of_search(session, visitor.caller, search_id)
    assert front.root is not None
    assert (front.root.number, front.root.value) == (0, 0.5)


def test_trials_are_compared_from_their_nearest_common_ancestor(visitor, person, world):
    search_id = world.search(visitor.caller)
    spec = world.dataset_spec()
    small = roots(spec, Bounds(parameters=3000))[0].to_json()
    large = roots(spec, Bounds())[0].to_json()

    def trial(parent, text, **values):
        steps = [{"text": text, "data": {"kind": "widen"}}]
        return world.trial(search_id, parent_id=parent, morphisms=steps, **values)

    root = world.trial(search_id, value=0.5, architecture=small)
    middle = trial(root, "widen <a>", architecture=small)
    one = trial(middle, "deepen b", architecture=large, value=0.9, hyperparameters={"epochs": 5})
    other = trial(root, "skip c", architecture=small, value=0.8, hyperparameters={"epochs": 5})
    with world.sessions.begin() as session:
        for epoch in (1, 2):
            session.add(
                Epoch(trial_id=one, attempt=1, epoch=epoch, validation_metric=0.4, seconds=1)
            )
    address = f"/compare/trials?trial={other}&trial={one}"
    page = " ".join(visitor.http.get(address).text.split())
    assert "ancestor is <a href" in page
    assert page.count("<ol>") == 2
    ways = re.findall(r"<ol>(.*?)</ol>", page)
    assert re.findall(r"widen &lt;a&gt;|deepen b|skip c", ways[0]) == [
        "widen &lt;a&gt;",
        "deepen b",
    ]
    assert re.findall(r"widen &lt;a&gt;|deepen b|skip c", ways[1]) == ["skip c"]
    marked = re.findall(r'<tr class="differs"><th scope="row">([^<]*)<', page)
    assert marked == ["Validation accuracy", "Parent"]  # the facts that the trials do not share
    assert page.count('<svg class="drawing architecture') == 2
    lines = visitor.http.get(f"/ui{address.replace('trials?', 'trials/figure?')}").json()["data"]
    assert [line["x"] for line in lines] == [[1, 2], []]
    against_root = visitor.http.get(f"/compare/trials?trial={root}&trial={one}").text
    assert "This is the common ancestor." in against_root

    elsewhere = world.trial(world.search(visitor.caller))
    for chosen, message in (
        ([one], "Found 1 chosen trials; expected 2 to 5"),
        ([one, elsewhere], "of several searches"),
    ):
        answer = visitor.http.get("/compare/trials?" + "&".join(f"trial={x}" for x in chosen))
        assert (answer.status_code, message in answer.text) == (422, True)
    theirs = world.trial(world.search(person().caller))
    assert visitor.http.get(f"/compare/trials?trial={one}&trial={theirs}").status_code == 404
