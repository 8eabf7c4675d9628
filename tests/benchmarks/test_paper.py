"""Targets are compared with measurements."""

import argparse

from benchmarks import experiment, paper, records
from benchmarks.paper import TARGETS


def measured(tmp_path, errors: dict[str, list[float]]) -> tuple[dict, str]:
    """The summary and the page of made-up errors, by target and seed."""
    out = tmp_path / "runs.jsonl"
    for key, values in errors.items():
        for seed, error in enumerate(values):
            facts = {"error": error, "se": 0.2, "used": 1_190.0, "commit": "abc"}
            records.append(out, TARGETS[key].run(seed), facts)
    options = experiment.parser(paper.__doc__, seconds=0.0, seeds=3).parse_args(
        ["--summary", "--out", str(out), "--markdown", str(tmp_path / "page.md")]
    )
    options.only = list(errors)
    return paper.measure(options), (tmp_path / "page.md").read_text()


def test_a_target_is_met_by_the_mean_of_its_seeds(tmp_path):
    results, page = measured(tmp_path, {"20min": [5.0, 5.5, 5.7], "small": [12.5]})
    assert results["20min"]["met"] is True
    assert results["20min"]["seeds"] == 3
    assert results["small"]["met"] is False
    assert results["small"]["se"] == 0.2
    assert (
        "| `20min` | fashion-mnist | 1200 s of 2 (wall) | 5.40 ± 0.21 | < 5.6 | yes | 3 |" in page
    )
    assert "| `small` | fashion-1000 | 600 s of 1 (cpu) | 12.50 ± 0.20 | < 12.0 | no | 1 |" in page


def test_a_target_without_a_run_is_neither_met_nor_missed(tmp_path):
    results, page = measured(tmp_path, {"2h": []})
    assert results["2h"]["met"] is None
    assert "| `2h` |" in page


def test_a_service_runs_without_the_thread_limits_of_a_benchmark(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("MKL_NUM_THREADS", "1")
    environment = paper._environment(TARGETS["20min"].run(0))
    assert environment["OMP_NUM_THREADS"] == "2"
    assert "MKL_NUM_THREADS" not in environment


def test_a_quick_measurement_is_one_short_search():
    options = argparse.Namespace(**{"only": ["20min"], "seeds": 3} | paper.QUICK)
    assert [TARGETS[key].seconds for key in options.only] == [15.0]
