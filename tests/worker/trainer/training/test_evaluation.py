"""Evaluations: the mean metric and loss, and the calibrated loss of the same outputs."""

import numpy as np
import pytest
import torch

from core.errors import InfeasibleTrial
from tests.worker.trainer.trainings import MLP, PLAIN, TASK, blobs, network_of
from worker.tasks import LOSSES
from worker.trainer.training.evaluation import CPU_BATCH, evaluate


def test_outputs_and_targets_are_those_of_all_examples_in_order():
    network, examples = network_of(MLP), blobs(CPU_BATCH + 88)
    found = evaluate(network, examples, TASK, PLAIN)
    batches = list(examples.batches(100))
    with torch.inference_mode():
        expected = torch.cat([network.eval()(x) for x, _ in batches])
    torch.testing.assert_close(found.outputs, expected)
    assert torch.equal(found.targets, torch.cat([y for _, y in batches]))
    assert found.examples == len(found.outputs) == CPU_BATCH + 88


def test_the_calibrated_loss_is_that_of_its_outputs_and_at_most_slightly_above_the_loss():
    found = evaluate(network_of(MLP), blobs(300), TASK, PLAIN)
    expected = LOSSES[TASK]().calibrated_loss(found.outputs, found.targets)
    assert found.calibrated_loss(TASK) == float(expected)
    assert found.calibrated_loss(TASK) <= found.loss + np.log(3) / 301


def test_evaluations_are_equal_by_their_measurements():
    network, examples = network_of(MLP), blobs(60)
    assert evaluate(network, examples, TASK, PLAIN) == evaluate(network, examples, TASK, PLAIN)
    assert "outputs" not in repr(evaluate(network, examples, TASK, PLAIN))


def test_a_network_with_a_loss_that_is_not_finite_is_infeasible():
    network = network_of(MLP)
    with torch.no_grad():
        network.layers["1"].bias.fill_(float("nan"))
    with pytest.raises(InfeasibleTrial, match="the loss is nan"):
        evaluate(network, blobs(60), TASK, PLAIN)
