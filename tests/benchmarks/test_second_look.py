"""Second evaluations of the best-looking networks, within the same number of trainings."""

import dataclasses

import numpy as np
import pytest

from benchmarks import histories, second_look, second_look_report, tables, walks


def test_the_winner_has_the_best_mean_of_two_evaluations():
    observed, again = [0.5, 0.9, 0.8, 0.7], {1: 0.4, 2: 0.8, 3: 0.95}
    assert second_look.winner(observed, 0, lambda index: 0.0) == 1
    assert second_look.winner(observed, 1, lambda index: again[index]) == 1
    assert second_look.winner(observed, 2, lambda index: again[index]) == 2
    assert second_look.winner(observed, 3, lambda index: again[index]) == 3


def test_a_walk_with_noise_observes_different_values_with_the_same_mean():
    entry = tables.Entry(histories.history(1)[0].architecture, 0.5)
    walk = walks.Walk(walks.Table([entry]), seed=0, noise=0.1)
    looks = np.array([walk.observe(0) for _ in range(2000)])
    assert looks.mean() == pytest.approx(0.5, abs=0.01)
    assert looks.std() == pytest.approx(0.1, rel=0.1)
    assert walk.best == 0.5


def test_regrets_are_given_for_each_number_of_second_evaluations(monkeypatch):
    entries = [
        tables.Entry(trial.architecture, float(trial.value or 0)) for trial in histories.history(30)
    ]
    entries[0] = dataclasses.replace(entries[0], repeats=(entries[0].value + 0.01,))
    monkeypatch.setattr(second_look, "table_at", lambda _: walks.Table(entries))
    regrets = np.array([second_look.simulate(second_look.Task("", 0, 12))])
    found = second_look.results(regrets, 12)
    assert list(found) == ["12"]
    assert set(found["12"]) == {"0", "1", "3", "5", "8", "visited"}
    assert all(found["12"][k]["mean"] >= 0 for k in found["12"])
    assert found["12"]["visited"]["mean"] == min(one["mean"] for one in found["12"].values())


def test_changes_are_differences_within_the_same_searches():
    regrets = np.array([[0.5, 0.4, 0.5, 0.5, 0.5, 0.0], [0.1, 0.1, 0.1, 0.1, 0.1, 0.0]])
    (cells,) = second_look.results(regrets, 12).values()
    assert cells["0"]["change"] == cells["0"]["change_se"] == 0
    assert cells["1"] == pytest.approx(
        {"mean": 0.25, "se": 0.15, "change": -0.05, "change_se": 0.05}
    )


def test_the_page_has_the_regret_and_its_change_for_each_number_of_second_evaluations():
    regrets = np.array([[0.5, 0.4, 0.5, 0.5, 0.5, 0.0], [0.1, 0.1, 0.1, 0.1, 0.1, 0.0]])
    facts = {"seeds": 2, "noise": 0.01} | second_look.results(regrets, 12)
    lines = second_look_report.page({"cells": facts}).splitlines()
    assert "winner of searches by `bayesian`, mean ± standard error over 2 searches" in " ".join(
        lines
    )
    assert lines[lines.index("## cells") + 2] == "The noise has a standard deviation of 0.0100."
    assert "| k, 12 evaluations | regret | change |" in lines
    assert "| 0 | 3000 ± 2000 |  |" in lines
    assert "| 1 | 2500 ± 1500 | -500 ± 500 |" in lines
    assert "| visited | 0 ± 0 | -3000 ± 2000 |" in lines
