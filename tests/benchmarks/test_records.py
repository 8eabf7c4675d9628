"""Records accumulate over interrupted runs."""

import json
from dataclasses import replace

import pytest

from benchmarks import experiment, records
from benchmarks.records import Run

RUNS = [
    Run(dataset="digits", seed=seed, contender="netmorph", seconds=10.0) for seed in range(3)
]  # fmt: skip


def test_runs_that_are_in_the_file_are_not_missing(tmp_path):
    path = tmp_path / "made" / "runs.jsonl"
    assert records.missing(RUNS, path) == RUNS
    records.append(path, RUNS[1], {"error": 1.5})
    assert records.missing(RUNS, path) == [RUNS[0], RUNS[2]]
    assert records.read(path)[RUNS[1]]["error"] == 1.5


def test_a_line_that_was_cut_is_run_again(tmp_path):
    path = tmp_path / "runs.jsonl"
    records.append(path, RUNS[0], {"error": 1.0})
    complete = path.read_bytes()
    path.write_bytes(complete + b'{"dataset": "dig')  # the machine died here
    assert list(records.read(path)) == [RUNS[0]]
    records.append(path, RUNS[1], {"error": 2.0})
    assert [json.loads(line)["error"] for line in path.read_text().splitlines()] == [1.0, 2.0]


@pytest.mark.parametrize(
    "change", [{"seconds": 20.0}, {"clock": "wall"}, {"threads": 2}, {"contender": "plain"}]
)
def test_another_budget_or_contender_is_another_run(tmp_path, change):
    path = tmp_path / "runs.jsonl"
    records.append(path, RUNS[0], {"error": 1.0})
    other = replace(RUNS[0], **change)
    assert records.missing([RUNS[0], other], path) == [other]


def test_missing_runs_are_carried_out_in_their_own_processes(tmp_path):
    path = tmp_path / "runs.jsonl"
    records.append(path, RUNS[0], {"error": 1.0})
    experiment.carry_out(RUNS, "tests.benchmarks.carried", path, jobs=2)
    found = records.read(path)
    assert [found[run]["error"] for run in RUNS] == [1.0, 101.0, 102.0]
    assert len({found[run]["process"] for run in RUNS[1:]}) == 2
    assert found[RUNS[1]]["commit"] == records.commit()


def test_runs_that_fail_are_named_after_the_others_have_ended(tmp_path):
    path = tmp_path / "runs.jsonl"
    bad = [replace(RUNS[0], dataset=name) for name in ("none such", "nor this")]
    with pytest.raises(experiment.RunFailed, match=r"none such(.|\n)*no data set(.|\n)*nor this"):
        experiment.carry_out([*bad, *RUNS[:2]], "tests.benchmarks.carried", path)
    assert list(records.read(path)) == RUNS[:2]
