"""The weights after a training: the best ones by the task's metric, or the last."""

import numpy as np
import pytest
import torch

from core.tasks import TASKS
from tests.worker.trainer.trainings import MLP, TASK, network_of
from worker.trainer.training.averaging import WeightAverage
from worker.trainer.training.evaluation import Evaluation
from worker.trainer.training.kept_weights import KeptWeights

NONE = torch.empty(0)


def evaluation(metric: float, loss: float = 1.0) -> Evaluation:
    return Evaluation(metric, loss, 30, outputs=NONE, targets=NONE)


def kept_after(evaluations, *, metric=None, keep_last=False, averaging=None):
    """What is kept after epochs in which all biases are 1, 2, 3, ...; the bias in the end."""
    network = network_of(MLP)
    average = averaging and WeightAverage(network, averaging)
    task = TASKS[TASK](metric)
    kept = KeptWeights(network=network, average=average, task=task, keep_last=keep_last)
    bias = network.layers["1"].bias
    for epoch, each in enumerate(evaluations, start=1):
        with torch.no_grad():
            bias.fill_(float(epoch))
        if average:
            average.update()
        kept.consider(each, epoch)
    kept.restore()
    return kept, bias[0].item()


def test_the_highest_accuracy_is_the_best():
    kept, bias = kept_after([evaluation(0.5), evaluation(0.8), evaluation(0.7)])
    assert (kept.epoch, bias, kept.evaluation.metric) == (2, 2.0, 0.8)


def test_of_equal_metrics_the_lower_loss_is_the_best_and_of_equal_losses_the_first():
    kept, bias = kept_after([evaluation(0.5, 2.0), evaluation(0.5, 1.0), evaluation(0.5, 1.0)])
    assert (kept.epoch, bias) == (2, 2.0)


def test_the_direction_of_the_metric_is_that_of_the_task():
    losses = [evaluation(0.5), evaluation(0.8), evaluation(0.2), evaluation(0.3)]
    kept, bias = kept_after(losses, metric="log-loss")
    assert (kept.epoch, bias) == (3, 3.0)


@pytest.mark.parametrize("last", [None, evaluation(0.1)])
def test_without_validation_or_on_demand_the_last_weights_are_kept(last):
    evaluations = [evaluation(0.9), evaluation(0.5), last] if last else [None, None, None]
    kept, bias = kept_after(evaluations, keep_last=last is not None)
    assert (kept.epoch, bias, kept.evaluation) == (3, 3.0, last)


def test_with_averaging_the_last_weights_are_the_average():
    _, bias = kept_after([None] * 3, averaging=1.0)
    assert bias == pytest.approx(np.mean([1, 2, 3]))
