"""The runs of the recipe benchmark, and their comparison."""

from math import sqrt

import numpy as np
import pytest

from benchmarks.recipe import constants_set, missing, rows_of
from benchmarks.recipe_arms import ARMS, BASE
from benchmarks.recipe_report import page_with, summary
from benchmarks.recipe_starts import initial_weights
from core.graph.building import chain
from core.graph.initialisation import initialise
from core.layers import Conv2d, Dense, Flatten, Input, Output
from core.protocol.contracts.hyperparameters import Hyperparameters
from worker.trainer.training import optimisers

NET = chain(iter([Input((2, 9, 9)), Conv2d(40), Conv2d(5), Flatten(), Dense(3), Output()]))


def row(arm, seed, error, setting="fashion"):
    return {"setting": setting, "arm": arm, "seed": seed, "error": error}


def test_every_arm_is_a_valid_recipe_for_all_of_the_time():
    for arm in ARMS.values():
        for _, changes in arm.pieces:
            Hyperparameters(epochs=1, **{**BASE, **arm.changes, **changes})
        assert sum(share for share, _ in arm.pieces) == pytest.approx(1)


def test_runs_that_are_in_the_file_are_not_repeated():
    rows = [row("base", 0, 5.0), row("base", 1, 5.0), row("SGD 0.05", 0, 5.0)]
    assert missing(rows, ["fashion"], ["base", "SGD 0.05"], 2) == [("fashion", "SGD 0.05", 1)]


def test_without_a_file_no_run_has_been_made(tmp_path):
    assert rows_of(tmp_path / "none.jsonl") == []


def test_differences_are_between_runs_with_the_same_seed():
    rows = [row("base", seed, error) for seed, error in enumerate((10.0, 12.0, 20.0))]
    rows += [row("SGD 0.05", 0, 11.0), row("SGD 0.05", 1, 15.0)]
    found = summary(rows)["fashion"]["SGD 0.05"]
    assert found == {"error": 13.0, "seeds": 2, "difference": 2.0, "se": pytest.approx(1.0)}
    assert found["se"] == pytest.approx(np.std([1, 3], ddof=1) / sqrt(2))


def test_tables_are_written_into_the_page_and_the_text_around_them_stays():
    page = "# Title\n<!-- runs -->\nold\n<!-- end of runs -->\nfindings\n"
    rows = [row("base", 0, 10.0), row("SGD 0.05", 0, 11.0)]
    once = page_with(page, rows)
    assert once == page_with(once, rows)
    assert once.startswith("# Title\n")
    assert once.endswith("\nfindings\n")
    assert "| SGD 0.05 | 11.00 (+1.00), 1 |" in once
    assert "old" not in once


def test_averages_that_were_watched_have_a_table_of_their_own():
    watched = row("constant rate", 0, 17.0) | {"watched": {"0.1": 13.0, "0.2": 14.0}}
    page = page_with("<!-- runs --><!-- end of runs -->", [row("base", 0, 10.0), watched])
    assert "| fashion | constant rate | 17.00 | 13.00 | 14.00 |" in page


def test_constants_are_restored_afterwards():
    before = optimisers.NEWTON_SCHULZ_STEPS
    with constants_set({"worker.trainer.training.optimisers.NEWTON_SCHULZ_STEPS": before + 4}):
        assert before + 4 == optimisers.NEWTON_SCHULZ_STEPS
    assert before == optimisers.NEWTON_SCHULZ_STEPS


def test_identity_kernels_pass_channels_on():
    rng = np.random.default_rng(0)
    images = rng.normal(size=(4, 2, 9, 9))
    weights = initial_weights("identity", NET, initialise(NET, rng), images)
    kernel = weights[1]["weight"]
    for channel in (0, 1):
        assert kernel[channel, channel, 1, 1] == 1
        assert np.abs(kernel[channel]).sum() == 1
    assert weights[2]["weight"][4, 4, 1, 1] == 1


def test_a_whitening_start_makes_patches_of_variance_one_in_every_direction():
    rng = np.random.default_rng(0)
    mixed = np.cumsum(rng.normal(size=(300, 2, 9, 9)), axis=3)  # neighbouring pixels are correlated
    weights = initial_weights("whitening", NET, initialise(NET, rng), mixed)
    filters = weights[1]["weight"][:18].reshape(18, -1)
    patches = np.lib.stride_tricks.sliding_window_view(mixed, (3, 3), axis=(2, 3))
    rows = patches.transpose(0, 2, 3, 1, 4, 5).reshape(-1, 18)
    outputs = rows @ filters.T
    np.testing.assert_allclose(outputs.T @ outputs / len(rows), np.eye(18), atol=0.05)
    np.testing.assert_allclose(weights[1]["weight"][18:36], -weights[1]["weight"][:18])
