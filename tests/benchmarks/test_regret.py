"""Simulated searches: how walks move, how lines are chosen, and the page about them."""

import dataclasses
from collections import deque

import numpy as np
import pytest

from benchmarks import (
    distance_cache,
    histories,
    landscape,
    predictability,
    regret,
    regret_report,
    tables,
    walk_bayesian,
    walk_reinforce,
    walks,
)
from benchmarks.surrogate import DATA
from core.protocol.contracts.bounds import Bounds
from core.search.strategies import STRATEGIES
from core.search.strategies.bayesian import Bayesian
from core.surrogate.fitting import Observation, fit
from core.surrogate.kernels import Geometry, Points

TRIALS = histories.history(30, seed=2)
NUMBERS = np.random.default_rng(0)
ENTRIES = [
    tables.Entry(
        trial.architecture,
        float(trial.value or 0),
        neighbours=tuple(int(one) for one in NUMBERS.choice(30, 3, replace=False)),
    )
    for trial in TRIALS
]
ARCHITECTURES = [entry.architecture for entry in ENTRIES]
LINKED = walks.Table(ENTRIES)
FREE = walks.Table([dataclasses.replace(entry, neighbours=None) for entry in ENTRIES])


def test_every_strategy_walks():
    assert set(regret.WALKS) == set(STRATEGIES)


def test_a_value_or_one_of_its_repeats_is_observed():
    table = walks.Table([tables.Entry(TRIALS[0].architecture, 1.0, repeats=(2.0, 3.0))])
    observed = {walks.Walk(table, seed).observed[0] for seed in range(40)}
    assert observed == {1.0, 2.0, 3.0}


def test_means_of_some_lines_are_not_compared_with_single_values_of_others():
    """Where only some lines of a table have repeats, only the first trainings count."""
    lucky = dataclasses.replace(ENTRIES[0], value=1.0, repeats=(0.5, 0.6))
    table = walks.Table([lucky, *FREE.entries[1:]])
    assert table.true[0] == 1.0
    assert {walks.Walk(table, seed).observe(0) for seed in range(20)} == {1.0}
    repeated = walks.Table([lucky, dataclasses.replace(lucky, repeats=(1.0, 1.0))])
    assert repeated.true.tolist() == pytest.approx([0.7, 1.0])


def test_lines_anywhere_are_different_and_unseen():
    walk = walks.Walk(FREE, seed=0)
    while len(walk.seen) < 25:
        walk.visit(walk.random_unseen(1)[0])
        for count in (1, 3, 30):
            found = walk.random_unseen(count)
            assert len(found) == len(set(found)) == min(count, 30 - len(walk.seen))
            assert not set(found) & set(walk.seen)


@pytest.mark.parametrize("strategy", sorted(regret.WALKS))
def test_lines_that_are_left_out_are_not_searched_and_do_not_count(strategy):
    """They depend on the seed, not on the strategy; a search of all others finds their best."""
    bests = set()
    for seed in range(3):
        walk, walker = walks.Walk(LINKED, seed, left_out=0.5), regret.WALKS[strategy]()
        gone = set(np.flatnonzero(walk.known)) - set(walk.seen)
        assert len(gone) == 15
        assert gone == set(np.flatnonzero(walks.Walk(LINKED, seed, 0.5).known)) - set(walk.seen)
        while not walk.known.all():
            walk.visit(walker(walk))
        assert sorted([*walk.seen, *gone]) == list(range(30))
        assert walk.best == max(ENTRIES[index].value for index in walk.seen)
        bests.add(walk.best)
    assert len(bests) > 1
    assert len(regret.regrets_on_table(LINKED, regret.WALKS[strategy](), 0, 9, 0.5)) == 9


@pytest.mark.parametrize("most", [1, 2, 4])
def test_moves_are_counted_along_the_shortest_path(most):
    reach = walks.MoveCounts(LINKED, most)
    seen = []
    for index in np.random.default_rng(1).permutation(30)[:6]:
        seen.append(int(index))
        reach.add(int(index))
        shortest = dict.fromkeys(seen, 0)
        waiting = deque(seen)
        while waiting:
            here = waiting.popleft()
            for other in LINKED.neighbours(here):
                if other not in shortest and shortest[here] < most:
                    shortest[other] = shortest[here] + 1
                    waiting.append(other)
        expected = [shortest.get(index, walks.FAR) for index in range(30)]
        assert reach.moves.tolist() == expected


def test_cached_distances_give_the_points_that_the_geometry_measures(monkeypatch):
    """For any landmarks, also after the cache was cleared."""
    monkeypatch.setattr(distance_cache, "MAX_DISTANCES", 30 * 12)
    cache = distance_cache.DistanceCache(ARCHITECTURES)
    for landmarks in ([3, 4, 5], [4, 9], list(range(10, 20)), [3, 5]):
        geometry = Geometry([ARCHITECTURES[index] for index in landmarks])
        indices = np.array([0, 4, 11, 29])
        measured = geometry.points([ARCHITECTURES[index] for index in indices])
        found = cache.points(geometry, indices)
        for field in dataclasses.fields(Points):
            np.testing.assert_array_equal(getattr(found, field.name), getattr(measured, field.name))


def test_bayesian_optimisation_on_a_table_is_the_strategy_with_every_line_scored():
    walk = walks.Walk(LINKED, seed=1)
    walker = walk_bayesian.BayesianWalker()
    while len(walk.seen) < 9:
        walk.visit(walker(walk))
    chosen = walker(walk)

    observations = [
        Observation(ARCHITECTURES[index], value)
        for index, value in zip(walk.seen, walk.observed, strict=True)
    ]
    surrogate, strategy = fit(observations), Bayesian()
    near = {index for seen in walk.seen for index in _within(seen, strategy.max_chain_length(9))}
    lines = sorted(near - set(walk.seen))
    points = surrogate.geometry.points([ARCHITECTURES[index] for index in lines])
    alphas = strategy.acquisition_for(Bounds()).of_values(surrogate, points)
    assert chosen == lines[int(np.argmax(alphas))]


def _within(index: int, moves: int) -> set[int]:
    found = {index}
    for _ in range(moves):
        found |= {other for one in found for other in LINKED.neighbours(one)}
    return found


def test_a_walk_moves_to_neighbours_while_there_are_any():
    for walker in (walks.bfs, walks.evolution, walks.hill_climbing, walks.random_line):
        walk = walks.Walk(LINKED, seed=3)
        for _ in range(8):
            near = {other for index in walk.seen for other in walk.unseen_neighbours(index)}
            chosen = walker(walk)
            assert chosen in near or not near
            walk.visit(chosen)


def test_the_grid_goes_from_small_to_large():
    walk = walks.Walk(FREE, seed=0)
    sizes = []
    for _ in range(10):
        walk.visit(walks.grid(walk))
        sizes.append(ENTRIES[walk.seen[-1]].architecture.parameters)
    assert sizes == sorted(sizes)


def test_moves_are_described_by_their_changes():
    larger = max(range(30), key=lambda index: ENTRIES[index].architecture.parameters)
    smaller = min(range(30), key=lambda index: ENTRIES[index].architecture.parameters)
    found = walk_reinforce.changes(FREE, smaller, [larger, smaller])
    column = found.names.index("log parameters")
    assert found.features[0, column] > 0
    assert not found.features[1].any()


def test_the_controller_learns_which_change_helps():
    """On a table of trained chains its regret is smaller than that of random search."""
    table = walks.Table(tables.read(DATA / "fashion-chains.jsonl.gz"))
    ours, chance = (
        np.mean([regret.regrets_on_table(table, make(), seed, 50)[-1] for seed in range(12)])
        for make in (regret.WALKS["reinforce"], regret.WALKS["random"])
    )
    assert ours < 0.8 * chance


def test_the_regret_is_that_of_the_network_that_looks_best():
    observed, true = [0.5, 0.7, 0.6, 0.7, 0.9], [0.5, 0.4, 0.6, 0.9, 0.8]
    assert list(regret.of_the_best(observed, true)) == [0.5, 0.4, 0.4, 0.4, 0.8]


@pytest.mark.parametrize("strategy", sorted(STRATEGIES))
def test_every_strategy_searches_the_landscape(strategy):
    observed, true = landscape.search(strategy, seed=0, evaluations=7)
    assert len(observed) == len(true) == 7
    assert np.abs(np.subtract(observed, true)).max() < 6 * histories.NOISE
    assert max(true) < landscape.BEST


def test_searches_in_several_processes_have_the_same_results():
    tasks = [regret.Task(regret.LANDSCAPE, "random", seed, 5) for seed in range(2)]
    assert list(regret.simulate_all(tasks, 1)) == list(regret.simulate_all(tasks, 2))


# --- the page -------------------------------------------------------------------------------------


def facts_with(regret_of_bayesian: float) -> dict[str, object]:
    def marks(mean: float) -> dict[str, dict[str, float]]:
        return {mark: {"mean": mean, "se": 0.01} for mark in ("20", "50", "100", "200")}

    return {"seeds": 3, "bayesian": marks(regret_of_bayesian)} | {
        rival: marks(0.5) for rival in regret_report.RIVALS
    }


def test_mean_and_error_over_searches():
    rows = np.array([[1.0, 2.0], [3.0, 2.0]])
    mean, error = regret_report.mean_and_error(rows)
    assert mean.tolist() == [2.0, 2.0]
    assert error.tolist() == pytest.approx([1.0, 0.0])
    assert regret_report.mean_and_error(rows[:1])[1].tolist() == [0.0, 0.0]


def test_the_page_states_where_the_targets_are_met_and_where_not():
    page = regret_report.page(
        {"good": facts_with(0.1), "bad": facts_with(0.15)}, "images/regret.svg"
    )
    assert "![Regret by evaluations, with 95 % bands of the mean](images/regret.svg)" in page
    assert "| `bayesian` | 0.1000 ± 0.0100 |" in page
    assert page.count("| good | 0.20 | 0.20 | 0.20 | 0.20 | yes |") == 2
    assert "| bad | 0.30 | 0.30 | 0.30 | 0.30 | yes |" in page
    assert "| bad | 0.30 | 0.30 | 0.30 | 0.30 | no |" in page
    assert "| mean of the tables | 0.25 | 0.25 | 0.25 | 0.25 | yes |" in page


def with_values(values: np.ndarray) -> walks.Table:
    return walks.Table(
        [
            dataclasses.replace(entry, value=float(value))
            for entry, value in zip(ENTRIES, values, strict=True)
        ]
    )


def test_the_best_network_is_predictable_where_its_value_follows_from_its_form():
    layers = np.array([float(len(one.nodes)) for one in ARCHITECTURES])
    best = int(np.argmax(layers))
    layers[best] += 1e-3  # the only one of the most layers
    by_form = predictability.predictability(with_values(layers))
    assert max(by_form.ranks) <= 3

    by_chance = layers.copy()
    by_chance[int(np.argmin(layers))] = layers[best] + 5
    found = predictability.predictability(with_values(by_chance))
    assert min(found.ranks) > 15
    assert found.lead == pytest.approx(5)
    assert found.chance is None


def test_chance_is_the_spread_of_the_values_of_one_network():
    repeated = [dataclasses.replace(entry, repeats=(entry.value + 2,)) for entry in ENTRIES]
    assert predictability.predictability(walks.Table(repeated)).chance == pytest.approx(np.sqrt(2))


def test_the_page_states_what_can_be_known_of_the_best_networks():
    known = predictability.Predictability(
        lead=0.0056, chance=0.0071, ranks=(9, 20, 31), ranks_of_few=(50, 133, 178)
    )
    page = regret_report.page({"good": facts_with(0.1)}, bests={"good": known})
    assert "| good | 0.0056 | 0.0071 | 133 (50 to 178) | 20 (9 to 31) |" in page
    assert "What can be known" not in regret_report.page({"good": facts_with(0.1)})


def test_the_page_states_what_is_left_to_find_on_the_landscape():
    page = regret_report.page({"landscape": facts_with(0.1)})
    assert "with two skips has a regret of 0.0100, with five 0.0050" in page
    assert "What is left" not in regret_report.page({"good": facts_with(0.1)})


def test_no_ratio_to_a_rival_without_regret():
    facts = facts_with(0.1)
    facts["bfs"] = facts_with(0.0)["bayesian"]
    assert regret_report.ratios(facts, "50")["bfs"] is None
    assert "| - |" in regret_report.page({"one": facts})


@pytest.mark.parametrize("suffix", [".svg", ".png"])
def test_a_plot_has_every_table(tmp_path, suffix):
    plot = pytest.importorskip("benchmarks.regret_plot")
    rng = np.random.default_rng(0)
    found = {
        table: {name: rng.random((3, 20)) for name in regret.WALKS} for table in ("one", "two")
    }
    first, again = tmp_path / f"first{suffix}", tmp_path / f"again{suffix}"
    plot.draw(found, first)
    plot.draw(found, again)
    assert first.read_bytes() == again.read_bytes()
    if suffix == ".svg":
        assert "<svg" in first.read_text()[:500]
