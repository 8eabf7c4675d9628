"""Every task type has a loss with the properties that a training relies on."""

import numpy as np
import pytest
import torch

from core.protocol.contracts import DatasetSpec
from core.tasks import TASKS
from worker.tasks import LOSSES

SPEC = DatasetSpec(
    input_shape=(1, 8, 8),
    classes=4,
    class_names=("a", "b", "c", "d"),
    train_examples=100,
    test_examples=20,
    dtype="uint8",
)
TARGETS = torch.tensor([0, 1, 1, 2, 3, 3, 3, 1])
every_task = pytest.mark.parametrize("kind", list(TASKS))


def outputs_of(kind: str, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(len(TARGETS), TASKS[kind]().outputs(SPEC), generator=generator)


def test_every_task_type_has_a_loss():
    assert set(LOSSES) == set(TASKS)


@every_task
def test_the_loss_is_a_finite_scalar_that_a_gradient_step_lowers(kind):
    loss, outputs = LOSSES[kind](), outputs_of(kind).requires_grad_()
    before = loss.loss(outputs, TARGETS)
    before.backward()
    after = loss.loss(outputs.detach() - 0.1 * outputs.grad, TARGETS)

    assert before.shape == ()
    assert torch.isfinite(before)
    assert after < before


@every_task
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_no_constant_prediction_has_less_than_the_chance_loss(kind, smoothing):
    loss, outputs = LOSSES[kind](), TASKS[kind]().outputs(SPEC)
    least = loss.chance_loss(np.asarray(TARGETS), outputs, smoothing)
    for seed in range(20):
        constant = outputs_of(kind, seed)[:1].expand(len(TARGETS), -1)
        assert float(loss.loss(constant, TARGETS, smoothing)) >= least - 1e-6


@every_task
def test_the_metric_of_a_batch_is_the_sum_over_its_parts(kind):
    loss, outputs = LOSSES[kind](), outputs_of(kind)
    joint = loss.metric_sum(outputs, TARGETS)
    parts = [loss.metric_sum(outputs[i : i + 1], TARGETS[i : i + 1]) for i in range(len(TARGETS))]

    assert float(joint) == pytest.approx(sum(map(float, parts)))


@every_task
def test_the_calibrated_loss_is_finite_even_where_every_example_is_right(kind):
    loss, outputs = LOSSES[kind](), outputs_of(kind)
    outputs[torch.arange(len(TARGETS)), TARGETS] = 50.0

    assert torch.isfinite(loss.calibrated_loss(outputs, TARGETS))
