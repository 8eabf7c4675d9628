"""Tables of evaluated networks, and the benchmarks that read them."""

import argparse
import gzip
import itertools
import json
import subprocess
import sys

import numpy as np
import pytest

from benchmarks import predictors, regret, surrogate, surrogate_report, tables, walks
from benchmarks.histories import history

TRIALS = history(30, seed=2)
LINES = [
    {
        "architecture": trial.architecture.to_json(),
        "value": trial.value,
        "neighbours": sorted({max(0, index - 1), min(29, index + 1)} - {index}),
    }
    for index, trial in enumerate(TRIALS)
]


def written(path, lines, open_=open):
    with open_(path, "wt") as file:
        file.writelines(json.dumps(line) + "\n" for line in lines)
    return path


@pytest.mark.parametrize("open_", [open, gzip.open])
def test_a_table_is_read_plain_or_compressed(tmp_path, open_):
    found = tables.read(written(tmp_path / "table", LINES, open_))
    assert [one.architecture for one in found] == [trial.architecture for trial in TRIALS]
    assert [one.value for one in found] == [trial.value for trial in TRIALS]
    assert found[3].neighbours == (2, 4)


def test_lines_may_count_from_one(tmp_path):
    lines = [dict(line, neighbours=[one + 1 for one in line["neighbours"]]) for line in LINES]
    found = tables.read(written(tmp_path / "table", lines))
    assert [one.neighbours for one in found] == [tuple(line["neighbours"]) for line in LINES]


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"value": "high"}, "expected a finite number"),
        ({"value": float("nan")}, "expected a finite number"),
        ({"value": True}, "expected a finite number"),
        ({"architecture": {}}, "'version' and 'nodes'"),
        ({"value": 10**400}, "expected a finite number"),
        ({"value": 1e200}, "expected a finite number"),
        ({"value": None}, "expected a finite number"),
        ({"repeats": 1}, "expected a list"),
        ({"repeats": [0.5, float("inf")]}, "expected a finite number"),
        ({"neighbours": [1.0]}, "line numbers"),
        ({"neighbours": "2"}, "line numbers"),
        ({"neighbours": [31]}, "expected"),
        ({"neighbours": [-1]}, "line numbers"),
    ],
)
def test_a_wrong_line_is_named(tmp_path, wrong, words):
    lines = [*LINES[:4], LINES[4] | wrong, *LINES[5:]]
    with pytest.raises(tables.WrongTable, match="line 5 ") as error:
        tables.read(written(tmp_path / "table", lines))
    assert words in str(error.value)


def test_no_json_and_no_lines(tmp_path):
    path = tmp_path / "table"
    path.write_text(json.dumps(LINES[0]) + "\nnonsense\n")
    with pytest.raises(tables.WrongTable, match="line 2 is not JSON"):
        tables.read(path)
    path.write_text("")
    with pytest.raises(tables.WrongTable, match="no lines"):
        tables.read(path)


def test_a_line_that_cannot_be_read_is_named(tmp_path):
    path = written(tmp_path / "table", LINES[:3])
    text = path.read_bytes()
    path.write_bytes(text + b'{"architecture": "\xff"}\n')
    with pytest.raises(tables.WrongTable, match="line 4 cannot be read"):
        tables.read(path)
    path.write_bytes(text + b"[" * 100_000 + b"\n")
    with pytest.raises(tables.WrongTable, match="line 4 is not JSON"):
        tables.read(path)
    path.write_bytes(gzip.compress(text)[:-60])
    with pytest.raises(tables.WrongTable, match=r"line \d cannot be read"):
        tables.read(path)


def test_a_line_is_not_its_own_neighbour_and_has_each_neighbour_once(tmp_path):
    lines = [LINES[0], LINES[1] | {"neighbours": [1, 2, 0, 2]}, *LINES[2:]]
    assert tables.read(written(tmp_path / "table", lines))[1].neighbours == (2, 0)


def test_networks_that_a_table_repeats_are_not_both_observed_and_unseen(tmp_path):
    entries = tables.read(written(tmp_path / "table", [*LINES, *LINES[:10]]))
    splits = surrogate.split(len(entries), 20, 5)
    kept = surrogate.without_repeats(entries, splits)
    assert sum(len(one.unseen) for one in kept) < sum(len(one.unseen) for one in splits)
    for one in kept:
        known, asked = (
            {entries[index].architecture for index in some} for some in (one.observed, one.unseen)
        )
        assert not known & asked


def test_a_wrong_table_ends_the_command(tmp_path):
    (tmp_path / "table").write_text("[]\n")
    command = [sys.executable, "-m", "benchmarks.surrogate", "--history", str(tmp_path / "table")]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 2
    assert "error: line 1" in ended.stderr


def test_predictors_are_evaluated_on_unseen_networks(tmp_path):
    entries = tables.read(written(tmp_path / "table", LINES))

    def oracle(known, asked):
        assert not {one.architecture for one in known} & {one.architecture for one in asked}
        return np.array([one.value for one in asked]), np.ones(len(asked))

    asked = {"edit": predictors.kernel_predictor("edit"), "oracle": oracle}
    splits = surrogate.split(len(entries), 20, 2)
    first, again = (surrogate.evaluate(entries, splits, asked) for _ in range(2))
    assert first["oracle"]["spearman_mean"] == pytest.approx(1)
    assert first["oracle"]["coverage_90"] == 1
    for name in asked:
        assert {"spearman_mean", "spearman_se", "nll", "coverage_90", "seconds"} <= set(first[name])
        assert first[name]["spearman_mean"] == again[name]["spearman_mean"]


def test_the_ceiling_is_what_a_predictor_of_true_values_reaches(tmp_path):
    entries = tables.read(written(tmp_path / "table", LINES))
    rng = np.random.default_rng(0)
    true = rng.standard_normal(3000)
    looks = true + rng.standard_normal((2, 3000))
    repeated = [
        tables.Entry(entries[0].architecture, value, (again,)) for value, again in looks.T.tolist()
    ]
    reached = surrogate.correlation(true, looks[0])
    assert surrogate.noise_ceiling(repeated) == pytest.approx(reached, abs=0.03)
    assert surrogate.noise_ceiling(entries) is None


def test_without_peers_the_plain_predictors_are_still_evaluated(tmp_path):
    entries = tables.read(written(tmp_path / "table", LINES))
    options = argparse.Namespace(seeds=1, quick=True, no_peers=True, history=None)
    found = surrogate.of_table(entries, 20, options)
    assert {"ridge", "forest", "blend"} <= set(found)
    assert "nni" not in found


def test_the_observed_and_unseen_networks_of_a_split_are_disjoint():
    for one in surrogate.split(30, 20, 5, unseen=8):
        assert len(one.observed) == 20
        assert len(one.unseen) == 8
        assert not set(one.observed) & set(one.unseen)


def test_a_prediction_that_is_not_a_number_gets_the_worst_rank_and_is_counted(tmp_path):
    entries = tables.read(written(tmp_path / "table", LINES))
    (split,) = surrogate.split(len(entries), 20, 1)
    values = np.array([entries[index].value for index in split.unseen])
    worst = np.where(values == values.min(), np.nan, values)
    predicted = predictors.Prediction(split, worst, np.zeros(10), 1.0, ignored=5)
    found = surrogate.figures(entries, [predicted])
    assert found["spearman_mean"] == pytest.approx(1)
    assert found["failures"] == pytest.approx(0.1)
    assert found["ignored"] == 0.25
    assert found["coverage_90"] == 1
    nothing = predictors.Prediction(split, np.full(10, np.nan), None, None)
    silent = surrogate.figures(entries, [nothing])
    assert (silent["spearman_mean"], silent["failures"], silent["nll"]) == (0, 1, None)


def test_a_likelihood_is_that_of_normal_values(tmp_path):
    entries = tables.read(written(tmp_path / "table", LINES))
    (split,) = surrogate.split(len(entries), 20, 1)
    spread = np.std([one.value for one in entries])
    values = np.array([entries[index].value for index in split.unseen])
    std = np.linspace(0.5, 1.5, 10) * spread
    found = surrogate.figures(
        entries, [predictors.Prediction(split, values + 0.3 * spread, std, None)]
    )
    units = std / spread
    expected = np.mean(0.5 * np.log(2 * np.pi) + np.log(units) + 0.5 * (0.3 / units) ** 2)
    assert found["nll"] == pytest.approx(expected)


def test_the_page_of_results_names_every_table_and_predictor(tmp_path):
    def facts(best):
        others = {
            "networks": 30,
            "observed": 5,
            "seeds": 2,
            "default_kernel": "edit",
            "noise_ceiling": None,
            "repeated": 0,
        }
        row = {"observed": 5, "splits": 2, "spearman_se": 0.0, "share_of_ceiling": None}
        row |= {"nll": None, "coverage_90": None, "seconds": None, "ignored": 0, "failures": 0.5}
        names = [*surrogate.KERNELS, "ridge", "nni"]
        judged = {name: row | {"spearman_mean": 0.9 if name == best else 0.1} for name in names}
        return others | judged

    found = {"one": facts("edit"), "two": facts("graph")}
    chosen = surrogate_report.chosen_elsewhere(found)
    assert chosen["one"] == {"kernel": "graph", "spearman_mean": 0.1}
    assert chosen["two"] == {"kernel": "edit", "spearman_mean": 0.1}
    page = surrogate_report.page(found)
    assert "| one | 5 | 2 | 0% | 50% |" in page
    assert "| `edit` | 0.900 ± 0.000 | - |" in page
    assert all(len(line) <= 100 for line in page.splitlines())


@pytest.mark.parametrize("strategy", list(regret.WALKS))
@pytest.mark.parametrize("has_neighbours", [True, False])
def test_a_walk_sees_every_line_once_and_ends_with_the_best(strategy, has_neighbours):
    table = [
        tables.Entry(
            trial.architecture,
            float(trial.value or 0),
            neighbours=tuple({max(0, index - 1), min(15, index + 1)}) if has_neighbours else None,
        )
        for index, trial in enumerate(TRIALS[:16])
    ]
    first, again = (
        regret.regrets_on_table(walks.Table(table), regret.WALKS[strategy](), 0, 200)
        for _ in range(2)
    )
    assert len(first) == len(table)
    assert first[-1] == 0
    assert all(after <= before for before, after in itertools.pairwise(first))
    assert first == again
