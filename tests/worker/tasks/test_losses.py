"""Every task type has a loss with the properties that a training relies on."""

import numpy as np
import pytest
import torch

from core.protocol.contracts.datasets import DatasetSpec
from core.tasks import TASKS
from worker.tasks import LOSSES

SPEC = DatasetSpec(
    input_shape=(1, 8, 8),
    classes=4,
    class_names=("a", "b", "c", "d"),
    train_examples=100,
    test_examples=20,
    dtype="uint8",
    target_names=("u", "v"),  # of the task types that predict numbers
)
LABELS = torch.tensor([0, 1, 1, 2, 3, 3, 3, 1])
NUMBERS = torch.randn(len(LABELS), 2, generator=torch.Generator().manual_seed(9))
SETS = torch.tensor([[1, 1, 0, 0], [0, 0, 0, 0], [0, 1, 1, 1], [1, 0, 0, 0]] * 2).float()
every_task = pytest.mark.parametrize("kind", list(TASKS))


def targets_of(kind: str) -> torch.Tensor:
    if kind == "multi-label":
        return SETS
    return LABELS if TASKS[kind].predicts_classes else NUMBERS


def outputs_of(kind: str, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(len(LABELS), TASKS[kind]().outputs(SPEC), generator=generator)


def exact_outputs_of(kind: str) -> torch.Tensor:
    """Outputs that are right for every example."""
    if kind == "multi-label":
        return 100 * SETS - 50
    if not TASKS[kind].predicts_classes:
        return NUMBERS.clone()
    outputs = torch.zeros(len(LABELS), TASKS[kind]().outputs(SPEC))
    outputs[torch.arange(len(LABELS)), LABELS] = 50.0
    return outputs


def test_every_task_type_has_a_loss():
    assert set(LOSSES) == set(TASKS)


@every_task
def test_the_loss_is_a_finite_scalar_that_a_gradient_step_lowers(kind):
    loss, targets = LOSSES[kind](), targets_of(kind)
    outputs = outputs_of(kind).requires_grad_()
    before = loss.loss(outputs, targets)
    before.backward()
    after = loss.loss(outputs.detach() - 0.1 * outputs.grad, targets)

    assert before.shape == ()
    assert torch.isfinite(before)
    assert after < before


@every_task
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_no_constant_prediction_has_less_than_the_chance_loss(kind, smoothing):
    loss, targets = LOSSES[kind](), targets_of(kind)
    least = loss.chance_loss(np.asarray(targets), TASKS[kind]().outputs(SPEC), smoothing)
    for seed in range(20):
        constant = outputs_of(kind, seed)[:1].expand(len(targets), -1)
        assert float(loss.loss(constant, targets, smoothing)) >= least - 1e-6


@every_task
def test_the_metric_does_not_depend_on_the_order_of_the_examples(kind):
    loss, outputs, targets = LOSSES[kind](), outputs_of(kind), targets_of(kind)
    order = torch.randperm(len(targets), generator=torch.Generator().manual_seed(1))

    expected = pytest.approx(loss.metric(outputs, targets))
    assert loss.metric(outputs[order], targets[order]) == expected


@every_task
def test_the_metric_is_the_best_value_of_the_task_where_every_example_is_right(kind):
    assert LOSSES[kind]().metric(exact_outputs_of(kind), targets_of(kind)) == pytest.approx(
        TASKS[kind]().value_range[1]
    )


def test_an_accuracy_is_the_mean_over_the_examples():
    loss, outputs = LOSSES["image-classification"](), outputs_of("image-classification")
    parts = [loss.metric(outputs[i : i + 1], LABELS[i : i + 1]) for i in range(len(LABELS))]

    assert loss.metric(outputs, LABELS) == pytest.approx(sum(parts) / len(parts))


@every_task
def test_the_calibrated_loss_is_finite_even_where_every_example_is_right(kind):
    loss = LOSSES[kind]()

    assert torch.isfinite(loss.calibrated_loss(exact_outputs_of(kind), targets_of(kind)))
