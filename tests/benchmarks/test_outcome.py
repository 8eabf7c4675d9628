"""The page of outcomes agrees with the records."""

import argparse
import math

import pytest

from benchmarks import hand_made, outcome, outcome_report
from benchmarks.data_sets import DATA_SETS, load
from core.protocol.contracts.datasets import DatasetSpec


def record(dataset: str, contender: str, error: float, seed: int = 0, **more) -> dict:
    return {
        "dataset": dataset, "contender": contender, "error": error, "seed": seed, "se": 0.5,
        "seconds": 300.0, "clock": "cpu", "threads": 1, "test_examples": 1_000, "used": 299.0,
        "commit": "abc",
    } | more  # fmt: skip


FOUND = [
    record("digits", "netmorph", 2.0, trials=[{"kind": "search"}] * 3, parameters=1_234),
    record("digits", "netmorph", 4.0, seed=1, compute_in_winner=0.625),
    record("digits", "vgg", 5.0),
    record("digits", "vgg", 7.0, seed=1),
    record("digits", "resnet", 6.0),
    record("digits", "resnet", 6.5, seed=1),
    record("digits", "plain", 9.0),
    record("mnist1d", "netmorph", 30.0),
    record("mnist1d", "vgg", 25.0),
    record("mnist1d", "plain", 26.0, failure="no final fit"),
]


def test_each_data_set_has_its_errors_and_the_better_hand_made_network():
    found = outcome_report.summary(FOUND)
    digits, mnist1d = found["datasets"]["digits"], found["datasets"]["mnist1d"]
    assert (digits["netmorph"], digits["best_hand_made"], digits["hand_made_plain"]) == (3, 6, 9)
    assert digits["hand_made"] == "vgg"
    assert digits["se"]["netmorph"] == pytest.approx(math.sqrt(2) / math.sqrt(2))
    assert mnist1d["se"]["netmorph"] == 0.5  # one seed: from the number of test examples
    assert digits["ratio"] == pytest.approx(3.05 / 6.05)
    assert mnist1d["ratio"] == pytest.approx(30.05 / 25.05)
    mean = math.sqrt(digits["ratio"] * mnist1d["ratio"])
    assert found["geometric_mean_ratio"] == pytest.approx(mean)
    assert mnist1d["failures"] == 1


def test_the_error_of_a_ratio_follows_the_errors_of_its_means():
    ours = [record("digits", "netmorph", error) for error in (3.0, 3.4, 2.9)]
    theirs = [record("digits", "vgg", error) for error in (5.0, 5.6, 5.3)]
    results = outcome_report.summary([*ours, *theirs])["datasets"]["digits"]
    low = (results["netmorph"] + results["se"]["netmorph"] + 0.05) / (
        results["best_hand_made"] + 0.05
    )
    assert results["ratio_se"] > low - results["ratio"]
    assert results["ratio_se"] < 2 * (low - results["ratio"])


def test_without_errors_the_ratio_is_finite():
    found = [record("digits", "netmorph", 0.0), record("digits", "vgg", 0.0)]
    assert outcome_report.summary(found)["geometric_mean_ratio"] == 1


def test_a_set_without_a_hand_made_network_has_no_ratio():
    results = outcome_report.summary([record("digits", "netmorph", 1.0)])
    assert results["datasets"]["digits"]["ratio"] is None
    assert results["geometric_mean_ratio"] is None


def test_the_page_has_a_row_for_each_data_set_and_each_search(tmp_path):
    page = outcome_report.page(FOUND, tmp_path / "outcome.png")
    assert "| digits* | 3.00 ± 1.00 | 6.00 ± 1.00 | vgg | 9.00 ± 0.50 | 0.50 ± 0.19 | 1 |" in page
    assert "| mnist1d | 30.00 ± 0.50 |" in page  # without a star: kept aside
    assert "| digits | 0 | 2.00 | 1,234 | 3 | - | 299 |" in page
    assert "| 62% |" in page
    assert "- mnist1d, seed 0, plain: no final fit" in page
    assert "outcome.png)" in page


def test_every_seed_has_all_contenders_of_a_data_set():
    options = argparse.Namespace(datasets=["digits"], seeds=2, first_seed=5, seconds=60.0)
    runs = outcome.runs(options)
    assert [run.seed for run in runs] == [5] * 4 + [6] * 4
    assert [run.contender for run in runs[:4]] == ["netmorph", "vgg", "resnet", "plain"]


@pytest.mark.parametrize(
    ("shape", "names"),
    [
        ((1, 8, 8), ["vgg", "resnet"]), ((1, 28, 28), ["vgg", "resnet"]),
        ((3, 32, 32), ["vgg", "resnet"]), ((3, 96, 64), ["vgg", "resnet"]),
        ((1, 24), ["fcn", "resnet1d"]), ((6, 100), ["fcn", "resnet1d"]), ((30,), ["mlp"]),
    ],
)  # fmt: skip
def test_hand_made_networks_fit_their_data(shape, names):
    spec = DatasetSpec(
        input_shape=shape, classes=4, class_names=tuple("abcd"), train_examples=100,
        test_examples=10, dtype="float32",
    )  # fmt: skip
    networks = hand_made.hand_made(spec)
    assert list(networks) == names
    for architecture in networks.values():
        assert architecture.input_shape == shape
        assert 20_000 < architecture.parameters < 800_000


def test_data_sets_that_are_shipped_with_the_code_can_be_loaded():
    arrays, spec = load("digits")
    assert spec.train_examples == len(arrays.x_train) == 1_438
    assert not DATA_SETS["digits"].kept_aside
