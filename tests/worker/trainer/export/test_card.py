"""The model card describes the network, its data, its test and the search."""

import dataclasses
import io
import json
import re
import zipfile
from importlib import metadata

import numpy as np
import pytest

from core.layers import LAYERS
from core.protocol.contracts.datasets import TableSpec, TextSpec
from core.protocol.contracts.results import Comparison, TestMetrics
from core.protocol.contracts.search_config import SearchConfig
from tests.strategies import random_weights
from tests.worker.orders import CLASSES, NETWORK, arrays
from tests.worker.trainer.export.history import HISTORY
from tests.worker.trainer.export.inputs import inputs_of
from worker.trainer.export import export
from worker.trainer.export.card import _purpose, model_card
from worker.trainer.export.origin_card import use_section


def test_the_card_describes_the_network_its_search_and_its_metric(folder, ended):
    card = (folder / "README.md").read_text("utf-8")
    facts = dict(
        (cell.strip() for cell in line.strip("|").split("|"))
        for line in card.splitlines()
        if line.startswith("|") and line.count("|") == 3
    )
    assert facts["test accuracy"].startswith(f"{100 * ended.test.metric:.2f} % ± ")
    assert "(30 examples, looked at once)" in facts["test accuracy"]
    assert facts["validation accuracy in the search"].startswith("81.25 % ± 1.23")
    assert facts["parameters"] == f"{NETWORK.parameters:,}"
    assert facts["FLOPs of one example"] == f"{NETWORK.flops:,}"
    assert facts["training examples"] == "90 (validation included)"
    assert facts["input"] == "(1, 6, 4), uint8"
    assert facts["classes"] == "3"
    assert r"# Columns \& \<b\>rows\</b\>" in card  # no markup of a user's
    assert "A network that classifies images, for the data set columns, found by" in card
    assert "Strategy bayesian, seed 4711, 23 trials, of which 19 started from" in card
    assert "the architecture of trial 17:" in card
    assert "1. root\n1. widen layer 1 from 4 to 8 filters" in card
    assert facts["value range in training"] == "0 to 199"
    assert facts["latency"].startswith("1.23 ms for one example at a time, measured in the search")
    assert facts["latency"].endswith("for trial 17 (cpu, fp32 channels-last)")
    assert facts["budget of the search"] == "23 trials, 600 seconds"
    assert f"torch {metadata.version('torch')}" in facts["made with"]
    for name, value in ended.test.measures.items():
        assert re.fullmatch(rf"{value:.4g} ± 0\.\d+", facts[f"test {name}"])
    for node in NETWORK.nodes:
        assert f"| {node.id} | {LAYERS.kind_of(node.layer)} | " in card


TABLE = TableSpec(target="price", columns=())


@pytest.mark.parametrize(
    ("changes", "purpose"),
    [
        ({"input_shape": (2, 8)}, "classifies signals"),
        ({"input_shape": (9,)}, "classifies vectors"),
        ({"multi_label": True}, "finds the labels of images"),
        ({"input_shape": (9,), "table": TABLE}, "classifies rows of a table"),
        ({"classes": 0, "input_shape": (9,)}, "predicts numbers from vectors"),
    ],
)
def test_a_card_says_what_the_network_is_for(job, changes, purpose):
    spec = job.dataset_spec.model_copy(update=changes)

    assert _purpose(spec) == purpose


def test_the_card_has_the_test_results_of_each_class(folder, ended):
    card = (folder / "README.md").read_text("utf-8")
    metrics = json.loads((folder / "metrics.json").read_text("utf-8"))
    confusion = np.array(metrics["confusion"])
    assert confusion.sum(axis=1).tolist() == [10, 10, 10]
    assert np.trace(confusion) / 30 == pytest.approx(ended.test.metric)
    assert [one["name"] for one in metrics["classes"]] == list(CLASSES)
    for name, row, one in zip(CLASSES, confusion, metrics["classes"], strict=True):
        shown = name.replace("&", r"\&")
        assert f"| **{shown}** | {' | '.join(map(str, row))} |" in card
        assert f"| {shown} | 10 | {one['precision']:.3f} | {one['recall']:.3f} ± " in card
    error = metrics["calibration"]["expected_error"]
    assert f"differ by {error:.3f} in the mean (expected calibration error)" in card
    assert set(metrics["test_stds"]) == set(ended.test.measures)


def test_the_card_says_what_the_network_is_meant_for(folder):
    card = (folder / "README.md").read_text("utf-8")
    assert "## Intended use and limits" in card
    assert "- The test metrics are of 30 examples." in card
    assert "given one of the 3 classes, also one that belongs to none" in card
    assert "shape 1 × 6 × 4 (channels first)" in card


@pytest.mark.parametrize("name", ["columns", 'a ``` "quoted" name'])
def test_the_card_has_the_request_that_makes_the_search_again(job, name):
    card, _ = card_and_metrics(dataclasses.replace(job, history=HISTORY, dataset_name=name))
    assert f"netmorph clone {HISTORY['search_id']}\n" in card
    (body,) = re.findall(r"```json\n(.*?)\n```", card, re.DOTALL)
    assert json.loads(body) == {"dataset": name} | HISTORY["config"]
    SearchConfig.model_validate(HISTORY["config"])
    assert job.dataset.key in card


@pytest.mark.parametrize(
    ("changes", "limit", "other"),
    [
        ({"multi_label": True}, "knows no other labels", "belongs to none of them"),
        ({"classes": 0, "target_names": ("a",)}, "beyond the range of the numbers", "classes"),
        ({"text": TextSpec(length=24, vocabulary=60)}, "the first 24 tokens", "channels first"),
        ({"input_shape": (9,), "table": TABLE}, "belongs to none of them", "channels first"),
    ],
)
def test_the_limits_are_those_of_the_task_and_the_data(job, changes, limit, other):
    words = "\n".join(use_section(job.dataset_spec.model_copy(update=changes), 30))
    assert limit in words
    assert other not in words


def card_and_metrics(job, **facts):
    """The card and the metrics of an export."""
    weights = random_weights(NETWORK, np.random.default_rng(0), np.float32)
    test = TestMetrics(metric=1.0, std=0.03, loss=0.0, examples=30)
    packed = export(job, NETWORK, weights, inputs_of(arrays().x_train), test, **facts)
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        return archive.read("README.md").decode(), json.loads(archive.read("metrics.json"))


TIED = Comparison(examples=9, before=0.905, after=0.912, exported="final")
WON = TIED.model_copy(update={"exported": "winner", "reason": "the final fit *diverged*."})


@pytest.mark.parametrize(
    ("comparison", "share", "sentence", "trained_on"),
    [
        (None, 0.7, None, "90 (validation included)"),
        (
            TIED,
            0.7,
            "The final network has 91.20 % on 9 held-out examples, "
            "the winner's own weights 90.50 %.",
            "81 (9 of the validation split were held out to compare on)",
        ),
        (
            WON,
            0.3,
            r"The winner's own weights are exported: the final fit \*diverged\*.",
            "90 less the validation split",
        ),
    ],
)
def test_a_card_says_how_the_final_network_compares_and_its_share_of_the_seconds(
    job, comparison, share, sentence, trained_on
):
    history = HISTORY | {"seconds_in_lineage": 30.0, "seconds_total": 60.0}
    final = dataclasses.replace(job, history=history, is_final=True)
    card, metrics = card_and_metrics(final, comparison=comparison, seconds=40.0)
    said = f"{share:.0%} of this search's seconds of training went into this network."
    assert " ".join(filter(None, (sentence, said))) in card.splitlines()
    assert f"| training examples | {trained_on} |" in card
    assert metrics["compute_in_winner"] == share
    assert metrics["comparison"] == (comparison and comparison.model_dump())


@pytest.mark.parametrize(
    ("history", "seconds"),
    [
        ({}, 40.0),
        ({"seconds_in_lineage": 30.0, "seconds_total": 60.0}, None),
        ({"seconds_in_lineage": 0.0, "seconds_total": 0.0}, 0.0),
    ],
)
def test_a_card_does_not_mention_seconds_that_are_not_known(job, history, seconds):
    other = dataclasses.replace(job, history=history)
    card, metrics = card_and_metrics(other, seconds=seconds)
    assert "seconds of training" not in card
    assert metrics["compute_in_winner"] is None


def test_a_card_names_channels_that_cannot_be_learned_from(job):
    x = arrays().x_train.repeat(2, axis=1)
    x[:, 0] = 255
    spec = job.dataset_spec.model_copy(update={"layout": "NHWC", "input_shape": (2, 6, 4)})
    wide = dataclasses.replace(job, dataset_spec=spec)
    test = TestMetrics(metric=1.0, loss=0.0, examples=30)
    card = model_card(wide, NETWORK, inputs_of(x), test)
    assert "| input | (2, 6, 4), uint8, from arrays with axes NHWC |" in card
    assert "**Warning:** channel 0 of 2, counted from 0, cannot be learned from" in card
    assert "Warning" not in card_and_metrics(job)[0]


def test_a_card_without_a_history_is_still_a_card(job):
    card, metrics = card_and_metrics(job)
    assert "# A network" in card
    assert "| validation accuracy in the search | ? (" in card
    assert metrics["validation"] is None
    assert metrics["test_std"] == 0.03


def test_the_latency_of_one_of_several_networks_is_told_as_such(job):
    history = {"latency": 0.002, "of_number": 6, "members": [6, 3]}
    card, _ = card_and_metrics(dataclasses.replace(job, history=history))
    assert "in the search for trial 6, one of the 2 networks of the final fit |" in card
    alone, _ = card_and_metrics(dataclasses.replace(job, history=history | {"members": []}))
    assert "in the search for trial 6 |" in alone
