"""Which network is exported: the final one, or the winner that it started from."""

import pytest
import torch

from worker.trainer.comparison import compare
from worker.trainer.training.evaluation import Evaluation

TASK = "image-classification"


def found(metric: float, examples: int = 400) -> Evaluation:
    none = torch.empty(0)
    return Evaluation(metric, 0.5, examples, outputs=none, targets=none)


@pytest.mark.parametrize("after", [0.95, 0.90, 0.87])
def test_the_final_network_is_exported_unless_it_is_worse_beyond_noise(after):
    compared = compare(TASK, found(0.90), found(after), "")
    assert (compared.exported, compared.reason) == ("final", "")
    assert (compared.before, compared.after, compared.examples) == (0.90, after, 400)


def test_a_collapse_exports_the_winner_and_says_why():
    compared = compare(TASK, found(0.90), found(0.11), "")
    assert compared.exported == "winner"
    assert "accuracy fell from 0.9000 to 0.1100 on 400 held-out examples" in compared.reason


def test_few_examples_hide_a_difference_that_many_show():
    assert compare(TASK, found(0.9, 20), found(0.8, 20), "").exported == "final"
    assert compare(TASK, found(0.9, 4000), found(0.8, 4000), "").exported == "winner"


def test_a_final_training_that_failed_exports_the_winner():
    compared = compare(TASK, found(0.90), None, "the loss is nan")
    assert (compared.exported, compared.after) == ("winner", None)
    assert compared.reason == "the final training failed: the loss is nan"
