"""The share of a search's training that went into its exported network."""

import json

import numpy as np
import pytest

from api.models.trials import Trial
from api.store import compute, searches
from api.store.final_fits import lineage, model_card
from core.protocol.contracts.search_config import SearchConfig
from core.protocol.states import TrialKind
from tests.api.store.reports import context_of

WON = {"examples": 50, "before": 0.9, "after": 0.8, "exported": "winner", "reason": "it is better"}
TIED = WON | {"after": 0.95, "exported": "final", "reason": ""}
EXPORT = {"export_key": "exports/x.zip", "export_bytes": 10}


@pytest.fixture
def owner(world):
    return world.caller()


@pytest.fixture
def line(world, owner):
    """A search whose trial 4 inherits from 1 and that from 0; trial 2 begins at random."""
    search = world.search(owner)
    root = world.trial(search, seconds=10.0, weights_key="weights/0")
    child = world.trial(
        search, seconds=20.0, weights_key="weights/1", parent_id=root, inherited=True
    )
    world.trial(search, seconds=40.0)
    world.trial(search, seconds=None)  # lost
    last = world.trial(
        search, seconds=5.0, weights_key="weights/3", parent_id=child, inherited=True
    )
    return search, last


def share(world, search):
    with world.sessions.begin() as session:
        return compute.shares(session, [search]).get(search)


def final_of(world, search, parent, **columns):
    return world.trial(search, kind=TrialKind.FINAL, parent_id=parent, **columns)


def test_nothing_is_known_before_there_is_an_export(world, line) -> None:
    search, last = line
    assert share(world, search) is None
    final = final_of(world, search, last, inherited=True, seconds=3.0)
    assert share(world, search) is None
    world.set(Trial, final, **EXPORT)
    assert share(world, search) == pytest.approx(38 / 78)


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ({"inherited": False}, 25 / 100),
        ({"inherited": True}, 60 / 100),
        ({"inherited": True, "comparison": TIED}, 60 / 100),
        ({"inherited": True, "comparison": WON}, 35 / 100),
    ],
)
def test_the_seconds_along_inherited_weights_count(world, line, columns, expected) -> None:
    """Those of the final fit count where its own weights are exported."""
    search, last = line
    final_of(world, search, last, seconds=25.0, **EXPORT, **columns)
    assert share(world, search) == pytest.approx(expected)


def test_a_search_that_took_no_time_has_no_share(world) -> None:
    search = world.search()
    final_of(world, search, world.trial(search), **EXPORT)
    assert share(world, search) is None


def test_any_tree_of_trials_has_the_share_that_a_walk_finds(world) -> None:
    rng = np.random.default_rng(0)
    expected = {}
    for _ in range(8):
        search, known = world.search(), []
        for _ in range(10):
            parent = rng.choice(len(known)) if known and rng.random() < 0.8 else None
            columns = {"seconds": float(rng.integers(1, 9)), "weights_key": "weights/x"}
            inherited = parent is not None and bool(rng.random() < 0.8)
            parent_id = None if parent is None else known[parent][0]
            made = world.trial(search, parent_id=parent_id, inherited=inherited, **columns)
            known.append((made, parent if inherited else None, columns["seconds"]))
        final_of(world, search, known[-1][0], inherited=True, seconds=2.0, **EXPORT)
        walked, at = 2.0, 9
        while at is not None:
            walked, at = walked + known[at][2], known[at][1]
        expected[search] = walked / (2.0 + sum(seconds for *_, seconds in known))

    with world.sessions.begin() as session:
        found = compute.shares(session, [*expected])
    assert found == pytest.approx(expected)


def test_an_ensemble_has_the_training_of_all_its_networks_once(world, owner, line, do) -> None:
    """Trials 1 and 4 are of one lineage, 2 began at random: 10, 20, 5 and 40 seconds."""
    search, last = line
    final = final_of(world, search, last, members=[4, 2, 1], inherited=True, seconds=25.0, **EXPORT)
    assert share(world, search) == pytest.approx(100 / 100)
    world.set(Trial, final, members=[4, 1])
    assert share(world, search) == pytest.approx(60 / 100)
    world.set(Trial, final, members=[4, 2], comparison=WON)
    assert share(world, search) == pytest.approx(35 / 100)
    world.set(Trial, final, members=[4, 2], comparison=None, inherited=False)
    assert share(world, search) == pytest.approx(25 / 100)


def test_before_an_ensemble_its_networks_lineages_count_once(world, line, do) -> None:
    search, last = line
    for number, trial in enumerate(world.trials(search)):
        world.set(Trial, trial.id, epochs=10 + number)
    one = do(compute.before, search, last)
    several = do(compute.before, search, last, [4, 2, 1])
    assert (one.in_lineage, one.epochs_in_lineage) == (35.0, 10 + 11 + 14)
    assert (several.in_lineage, several.total) == (75.0, 75.0)
    assert several.epochs_in_lineage == (10 + 11 + 12 + 14) // 3


def test_any_ensemble_has_the_share_that_walks_find(world) -> None:
    rng = np.random.default_rng(1)
    expected = {}
    for _ in range(8):
        search, known = world.search(), []
        for number in range(10):
            parent = int(rng.integers(number)) if number and rng.random() < 0.8 else None
            inherited = parent is not None and bool(rng.random() < 0.8)
            columns = {"seconds": float(rng.integers(1, 9)), "weights_key": "weights/x"}
            parent_id = None if parent is None else known[parent][0]
            made = world.trial(search, parent_id=parent_id, inherited=inherited, **columns)
            known.append((made, parent if inherited else None, columns["seconds"]))
        members = [int(one) for one in rng.permutation(10)[:3]]
        winner = known[members[0]][0]
        final_of(world, search, winner, members=members, inherited=True, seconds=2.0, **EXPORT)
        reached, open_ones = set(), list(members)
        while open_ones:
            at = open_ones.pop()
            reached.add(at)
            open_ones += [parent for parent in (known[at][1],) if parent is not None]
        walked = 2.0 + sum(known[at][2] for at in reached)
        expected[search] = walked / (2.0 + sum(seconds for *_, seconds in known))
    with world.sessions.begin() as session:
        assert compute.shares(session, [*expected]) == pytest.approx(expected)


def test_a_search_shows_its_share(world, owner, line) -> None:
    search, last = line
    final_of(
        world, search, last, inherited=True, seconds=25.0, comparison=TIED, **EXPORT,
        test_metric=0.9, test_loss=0.1, test_examples=9, precision="bf16",
    )  # fmt: skip
    with world.sessions.begin() as session:
        out = searches.get(session, owner, search)
    assert out.compute_in_winner == pytest.approx(0.6)
    assert out.final is not None
    assert (out.final.precision, out.final.comparison.after) == ("bf16", 0.95)
    assert out.final.comparison.text.startswith("the final network has 95.00 % on 50")


@pytest.mark.parametrize(("inherited", "in_lineage"), [(True, 35.0), (False, 0.0)])
def test_a_model_card_has_the_seconds_before_the_final_fit(
    world, do, line, inherited, in_lineage
) -> None:
    """Those of an earlier attempt of the final fit are forgotten, as its next ones replace them."""
    search, last = line
    world.set(Trial, last, weights_bytes=10, weights_key=world.blob().key)
    final = final_of(world, search, last, inherited=inherited, seconds=7.0)
    context = do(context_of, final)

    history = do(model_card, context)

    assert (history["seconds_in_lineage"], history["seconds_total"]) == (in_lineage, 75.0)
    json.dumps(history)


def test_a_model_card_has_the_request_and_the_latency_of_the_winner(world, do, line) -> None:
    search, last = line
    final = final_of(world, search, last)
    history = do(model_card, do(context_of, final))
    assert history["search_id"] == str(search)
    assert SearchConfig.model_validate(history["config"]) == SearchConfig.model_validate(
        world.get_search(search).config
    )
    assert "latency" not in history
    world.set(Trial, last, latency=0.002, precision="bf16", worker_id=None)
    history = do(model_card, do(context_of, final))
    assert (history["latency"], history["precision"], history["device"]) == (0.002, "bf16", None)


def test_a_model_card_names_the_networks_of_an_ensemble(world, do, line) -> None:
    search, last = line
    for trial in world.trials(search):
        world.set(Trial, trial.id, weights_bytes=10, weights_key=world.blob().key)
    final = final_of(world, search, last, members=[4, 2], inherited=True)
    history = do(model_card, do(context_of, final))
    assert (history["members"], history["of_number"]) == ([4, 2], 4)
    assert (history["seconds_in_lineage"], history["seconds_in_winner"]) == (75.0, 35.0)


def test_the_card_of_a_search_without_measured_trials_has_zeros(world, do) -> None:
    search = world.search()
    final = final_of(world, search, world.trial(search))
    history = do(model_card, do(context_of, final))
    assert (history["seconds_in_lineage"], history["seconds_total"]) == (0.0, 0.0)


def test_a_lineage_begins_with_a_root_or_with_the_given_network(do, line) -> None:
    _, last = line
    assert do(lineage, last)[0].endswith(": a root")
    with_given = do(lambda connection: lineage(connection, last, given=True))
    assert with_given[0].endswith(": the given network")
    assert with_given[1:] == do(lineage, last)[1:]
