"""Second looks at the best-looking networks, within the same number of trainings."""

import dataclasses

import numpy as np
import pytest

from benchmarks import histories, second_look, tables, walks


def test_the_winner_is_the_best_by_two_looks():
    shown, again = [0.5, 0.9, 0.8, 0.7], {1: 0.4, 2: 0.8, 3: 0.95}
    assert second_look.chosen(shown, 0, lambda place: 0.0) == 1
    assert second_look.chosen(shown, 1, lambda place: again[place]) == 1
    assert second_look.chosen(shown, 2, lambda place: again[place]) == 2
    assert second_look.chosen(shown, 3, lambda place: again[place]) == 3


def test_a_walk_with_noise_shows_other_values_at_each_look_of_the_same_mean():
    entry = tables.Entry(histories.history(1)[0].architecture, 0.5)
    walk = walks.Walk(walks.Table([entry]), seed=0, noise=0.1)
    looks = np.array([walk.look(0) for _ in range(2000)])
    assert looks.mean() == pytest.approx(0.5, abs=0.01)
    assert looks.std() == pytest.approx(0.1, rel=0.1)
    assert walk.best == 0.5


def test_regrets_are_told_for_each_number_of_looks(monkeypatch):
    entries = [
        tables.Entry(trial.architecture, float(trial.value or 0)) for trial in histories.history(30)
    ]
    entries[0] = dataclasses.replace(entries[0], repeats=(entries[0].value + 0.01,))
    monkeypatch.setattr(second_look, "table_at", lambda _: walks.Table(entries))
    regrets = np.array([second_look.simulate(second_look.Task("", 0, 12))])
    found = second_look.judged(regrets, 12)
    assert list(found) == ["12"]
    assert set(found["12"]) == {"0", "1", "3", "5", "8", "visited"}
    assert all(found["12"][k]["mean"] >= 0 for k in found["12"])
    assert found["12"]["visited"]["mean"] == min(one["mean"] for one in found["12"].values())
