"""Tables of evaluated networks, and the benchmarks that read them."""

import gzip
import itertools
import json
import subprocess
import sys

import numpy as np
import pytest

from benchmarks import regret, surrogate, tables
from benchmarks.histories import history

TRIALS = history(30, seed=2)
LINES = [
    {
        "architecture": trial.architecture.to_json(),
        "value": trial.value,
        "neighbours": sorted({max(0, place - 1), min(29, place + 1)} - {place}),
    }
    for place, trial in enumerate(TRIALS)
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
        ({"repeats": 1}, "expected a list"),
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


def test_a_wrong_table_ends_the_command(tmp_path):
    (tmp_path / "table").write_text("[]\n")
    command = [sys.executable, "-m", "benchmarks.surrogate", "--history", str(tmp_path / "table")]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 2
    assert "error: line 1" in ended.stderr


def test_predictors_are_judged_on_networks_that_they_have_not_seen(tmp_path):
    entries = tables.read(written(tmp_path / "table", LINES))

    def oracle(known, asked):
        assert not {one.architecture for one in known} & {one.architecture for one in asked}
        return np.array([one.value for one in asked]), np.ones(len(asked))

    predictors = {"edit": surrogate.kernel_predictor("edit"), "oracle": oracle}
    first, again = (surrogate.judge(entries, 20, 2, predictors) for _ in range(2))
    assert first["oracle"]["spearman_mean"] == pytest.approx(1)
    assert first["oracle"]["coverage_90"] == 1
    for name in predictors:
        assert set(first[name]) == {
            "spearman_mean", "spearman_se", "nll", "coverage_90", "seconds",
        }  # fmt: skip
        assert first[name]["spearman_mean"] == again[name]["spearman_mean"]


@pytest.mark.parametrize("strategy", list(regret.WALKS))
@pytest.mark.parametrize("has_neighbours", [True, False])
def test_a_walk_sees_every_line_once_and_ends_at_the_best(strategy, has_neighbours):
    table = [
        tables.Entry(
            trial.architecture,
            float(trial.value or 0),
            neighbours=tuple(line["neighbours"]) if has_neighbours else None,
        )
        for trial, line in zip(TRIALS, LINES, strict=True)
    ]
    found = regret.regrets_on_table(table, regret.WALKS[strategy], 0, 200)
    assert len(found) == len(table)
    assert found[-1] == 0
    assert all(after <= before for before, after in itertools.pairwise(found))
    assert found == regret.regrets_on_table(table, regret.WALKS[strategy], 0, 200)
