"""Simulated searches with a cost: their results and the page about them."""

import json

import numpy as np
import pytest

from benchmarks import front, front_report, histories, landscape, tables
from benchmarks.walk_front import FrontWalker
from benchmarks.walks import Table, Walk, random_line
from core.search.pareto import Reference, hypervolume

NUMBERS = np.random.default_rng(0)
TABLE = Table(
    [
        tables.Entry(
            trial.architecture,
            float(trial.value or 0),
            neighbours=tuple(int(one) for one in NUMBERS.choice(30, 3, replace=False)),
        )
        for trial in histories.history(30, seed=2)
    ]
)
LOG_COSTS = np.log([entry.architecture.parameters for entry in TABLE.entries])


def test_every_search_is_run_on_tables_and_on_the_landscape():
    assert set(front.WALKS) == set(front.SEARCHES)


def test_a_search_that_has_seen_the_complete_table_has_its_complete_front():
    task = front.Task("", "random", seed=0, evaluations=30)
    found = front.shares_on_table(TABLE, lambda _: random_line, task)
    assert 0 < found[0] < found[1] == pytest.approx(1.0)


def test_a_walk_with_a_cost_moves_to_near_lines_and_sees_every_line_in_the_end():
    walk, walker = Walk(TABLE, seed=1), FrontWalker(LOG_COSTS)
    while len(walk.seen) < len(TABLE):
        near = {other for index in walk.seen for other in walk.unseen_neighbours(index)}
        chosen = walker(walk)
        assert chosen in near or not near or len(walk.seen) >= 4  # later several moves at once
        walk.visit(chosen)
    assert sorted(walk.seen) == list(range(len(TABLE)))


def test_a_walk_with_a_cost_finds_more_of_the_front_than_chance():
    shares = {
        name: np.array([_share(name, seed) for seed in range(4)]) for name in ("bayesian", "random")
    }
    difference = shares["bayesian"] - shares["random"]
    assert difference.mean() > 2 * difference.std(ddof=1) / 2  # standard errors of four
    assert shares["bayesian"].min() > 0.7


def _share(name: str, seed: int) -> float:
    path = front.DATA / "fashion-chains.jsonl.gz"
    return front.simulate(front.Task(str(path), name, seed, evaluations=12))[0]


def test_the_landscape_is_judged_by_true_values():
    found = front.volumes_on_landscape(front.Task(front.LANDSCAPE, "random", 0, evaluations=3))
    trials, true = landscape.trials_of("random", 0, 3)
    costs = [float(np.log(trial.architecture.parameters)) for trial in trials]
    assert found == [hypervolume(true, costs, Reference(0.8, float(np.log(1e6))))]


def test_the_page_states_how_far_above_chance_a_search_is():
    one = {"12": {"mean": 0.9, "se": 0.03}}
    other = {"12": {"mean": 0.8, "se": 0.04}}
    page = front_report.page({"cells": {"seeds": 20, "bayesian": one, "random": other}})
    assert "## cells" in page
    assert "| `bayesian` | 0.900 ± 0.030 |" in page
    assert page.index("`bayesian` | 0.9") < page.index("`random` | 0.8")
    assert "above `random` by 2.0 standard errors" in page


def test_a_file_that_is_no_table_ends_the_command_and_names_the_line(tmp_path, capsys, monkeypatch):
    (tmp_path / "wrong.jsonl").write_text(json.dumps({"value": 1}) + "\n")
    monkeypatch.setattr("sys.argv", ["front", "--table", str(tmp_path / "wrong.jsonl")])
    with pytest.raises(SystemExit) as ending:
        front.main()
    assert ending.value.code == 2
    assert "line 1" in capsys.readouterr().err
