"""The report at the end of a search."""

from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from netmorph import report, tables
from netmorph.progress import best_text
from tests.netmorph.samples import (
    COMPARED,
    COMPLETE,
    FINISHED,
    NEW,
    REGRESSION,
    SEARCH,
    SEARCH_ID,
    answering,
    lines_of,
)


def test_the_report_of_a_finished_search(out: Console) -> None:
    with answering() as client:
        result = report.summary(client, FINISHED, Path("exports/x"))  # type: ignore[arg-type]

    assert result == {
        "search_id": SEARCH_ID,
        "name": "a [bold]search :cat:",
        "status": "completed",
        "reason": "",
        "trials_completed": 8,
        "trials_stopped": 0,
        "trials_inherited": 1,
        "metric": "accuracy",
        "in_percent": True,
        "best_validation": 0.95678,
        "validation_measures": {},
        "test_metric": 0.97,
        "test_accuracy": 0.97,
        "test_measures": {},
        "test_examples": 360,
        "parameters": 2_345_678,
        "kept": None,
        "ensemble": None,
        "comparison": None,
        "precision": None,
        "compute_in_winner": None,
        "seconds": 3725.3,
        "winner": 2,
        "lineage": [
            "trial 0: a root (90.00 %)",
            "trial 2: widen convolution 1 from 8 to 16 filters, "
            "then add a skip from 3 to 7 (95.68 %)",
        ],
        "export": "exports/x",
    }
    report.print_summary(result, out)
    assert lines_of(out) == [
        "status     completed",
        "trials     8 completed, 1 with inherited weights",
        "validation 95.68 %",
        "test       97.00 % of 360 examples",
        "time       1:02:05",
        "export     exports/x",
        "lineage of the winner:",
        "  trial 0: a root (90.00 %)",
        "  trial 2: widen convolution 1 from 8 to 16 filters, "
        "then add a skip from 3 to 7 (95.68 %)",
    ]


def test_trials_that_were_stopped_early_are_counted_apart(out: Console) -> None:
    counts = {"completed": 4, "stopped": 2, "failed": 1}
    search = FINISHED | {"trial_counts": counts, "trials_inherited": 5}
    with answering() as client:
        result = report.summary(client, search, None)  # type: ignore[arg-type]
    report.print_summary(result, out)
    assert "trials     4 completed, 2 stopped early, 5 with inherited weights" in lines_of(out)


def test_the_report_says_how_the_exported_network_was_computed(out: Console) -> None:
    with answering() as client:
        result = report.summary(client, COMPLETE, Path("exports/x"))  # type: ignore[arg-type]

    assert (result["comparison"], result["precision"]) == (COMPARED, "bf16")
    assert result["compute_in_winner"] == 0.3687
    report.print_summary(result, out)
    assert lines_of(out)[3:7] == [
        "test       97.00 % of 360 examples",
        "compared   the final network has 91.20 % on 250 held-out examples",
        "precision  bf16",
        "in winner  37 % of all training seconds",
    ]


def test_a_percentage_that_is_no_accuracy_has_its_name(out: Console) -> None:
    search = FINISHED | {"metric": "AUROC"}
    with answering() as client:
        result = report.summary(client, search, None)  # type: ignore[arg-type]

    assert (result["test_metric"], result["test_accuracy"]) == (0.97, None)
    report.print_summary(result, out)
    assert lines_of(out)[3] == "test       AUROC 97.00 % of 360 examples"
    assert best_text(search).startswith("AUROC ")  # type: ignore[arg-type]
    assert tables.test_text(search).startswith("AUROC 97.00 %")  # type: ignore[arg-type]


def test_the_report_of_a_regression_has_errors_in_the_units_of_the_data(out: Console) -> None:
    with answering() as client:
        result = report.summary(client, REGRESSION, None)  # type: ignore[arg-type]

    assert (result["test_metric"], result["test_accuracy"]) == (-0.1, None)
    assert result["lineage"][0] == "trial 0: a root (0.9)"
    report.print_summary(result, out)
    assert lines_of(out)[2:4] == [
        "validation R² 0.4567, RMSE 54.32, MAE 43.2",
        "test       R² -0.1, RMSE 60 of 360 examples",
    ]
    assert f"export     netmorph export {SEARCH_ID[:8]} downloads it" in lines_of(out)


def test_the_report_says_that_an_ensemble_is_exported(out: Console) -> None:
    final = COMPLETE["final"] | {"members": [2, 0], "ensemble": "an ensemble of trials 0 and 2"}
    final["latency"] = 0.0015
    with answering() as client:
        result = report.summary(client, COMPLETE | {"final": final}, None)  # type: ignore[arg-type]

    text = "an ensemble of trials 0 and 2: 2,345,678 parameters, 1.5 ms for one example"
    assert result["ensemble"] == text
    report.print_summary(result, out)
    assert lines_of(out)[4] == f"network    {text}"


def test_the_report_of_a_search_without_a_value(out: Console) -> None:
    stopped: Any = NEW | {"status": "failed", "reason": "no worker [came]"}
    with answering() as client:
        result = report.summary(client, stopped, None)

    assert (result["winner"], result["lineage"], result["export"]) == (None, [], None)
    report.print_summary(result, out)
    assert lines_of(out) == [
        "status     failed (no worker [came])",
        "trials     0 completed, 0 with inherited weights",
        "validation –",
        "test       –",
        "time       0:00",
        "export     none",
    ]


@pytest.mark.parametrize(
    ("name", "folder"),
    [
        ("my search", "my-search"),
        ("../../etc/passwd", "etc-passwd"),
        ("..", "search"),
        ("Größe 7", "Gr-e-7"),
        ("日本", "search"),
        ("v1.2_x", "v1.2_x"),
    ],
)
def test_an_export_goes_into_a_plain_folder(name: str, folder: str) -> None:
    named: Any = SEARCH | {"name": name}
    assert report.default_folder(named) == Path("exports") / f"{folder}-0c0ffee0"
