"""What is promised is compared with what was measured."""

import argparse

from benchmarks import experiment, paper, records
from benchmarks.paper import PROMISES


def measured(tmp_path, errors: dict[str, list[float]]) -> tuple[dict, str]:
    """The summary and the page of made-up errors, by promise and seed."""
    out = tmp_path / "runs.jsonl"
    for key, values in errors.items():
        for seed, error in enumerate(values):
            facts = {"error": error, "se": 0.2, "used": 1_190.0, "commit": "abc"}
            records.append(out, PROMISES[key].run(seed), facts)
    options = experiment.parser(paper.__doc__, seconds=0.0, seeds=3).parse_args(
        ["--summary", "--out", str(out), "--markdown", str(tmp_path / "page.md")]
    )
    options.only = list(errors)
    return paper.measure(options), (tmp_path / "page.md").read_text()


def test_a_promise_is_met_by_the_mean_of_its_seeds(tmp_path):
    told, page = measured(tmp_path, {"20min": [5.0, 5.5, 5.7], "small": [12.5]})
    assert told["20min"]["met"] is True
    assert told["20min"]["seeds"] == 3
    assert told["small"]["met"] is False
    assert told["small"]["se"] == 0.2
    assert (
        "| `20min` | fashion-mnist | 1200 s of 2 (wall) | 5.40 ± 0.21 | < 5.6 | yes | 3 |" in page
    )
    assert "| `small` | fashion-1000 | 600 s of 1 (cpu) | 12.50 ± 0.20 | < 12.0 | no | 1 |" in page


def test_a_promise_without_a_run_is_neither_met_nor_missed(tmp_path):
    told, page = measured(tmp_path, {"2h": []})
    assert told["2h"]["met"] is None
    assert "| `2h` |" in page


def test_a_service_is_given_back_the_threads_that_a_benchmark_limits(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("MKL_NUM_THREADS", "1")
    found = paper._environment(PROMISES["20min"].run(0))
    assert found["OMP_NUM_THREADS"] == "2"
    assert "MKL_NUM_THREADS" not in found


def test_a_quick_measurement_is_one_short_search():
    options = argparse.Namespace(**{"only": ["20min"], "seeds": 3} | paper.QUICK)
    assert [PROMISES[key].seconds for key in options.only] == [15.0]
