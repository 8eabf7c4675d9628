"""The validation loss by which trainings with different targets are compared."""

import numpy as np
import pytest
import torch
from scipy.optimize import minimize_scalar
from torch.nn.functional import cross_entropy

from worker.tasks import LOSSES

LOSS = LOSSES["image-classification"]()


def made(n: int = 500, classes: int = 5, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits that are right more often than not, and labels drawn from them."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(n, classes)) * 2
    noise = rng.gumbel(size=logits.shape)
    labels = (logits + noise).argmax(axis=1)
    return torch.from_numpy(logits).float(), torch.from_numpy(labels)


def best(logits: torch.Tensor, labels: torch.Tensor) -> float:
    """The loss at the best temperature, by SciPy, including one guessed example."""
    found = minimize_scalar(
        lambda log: float(cross_entropy(logits / np.exp(log), labels)), bounds=(-0.9, 1.6)
    )
    n, classes = logits.shape
    return (n * found.fun + np.log(classes)) / (n + 1)


@pytest.mark.parametrize("scale", [0.5, 1.0, 2.0, 4.0])
def test_the_calibrated_loss_is_the_loss_at_the_best_temperature(scale):
    logits, labels = made()
    found = float(LOSS.calibrated_loss(scale * logits, labels))
    assert found == pytest.approx(best(scale * logits, labels), rel=2e-3)


def test_scaling_all_outputs_changes_the_calibrated_loss_little():
    logits, labels = made()
    losses = [float(LOSS.calibrated_loss(scale * logits, labels)) for scale in (0.5, 1.0, 2.0)]
    assert max(losses) - min(losses) < 2e-3
    raw = [float(LOSS.loss(scale * logits, labels)) for scale in (0.5, 1.0, 2.0)]
    assert max(raw) - min(raw) > 0.05


def test_a_few_correct_examples_do_not_make_the_calibrated_loss_infinitely_better():
    logits = 100 * torch.eye(3)
    few = float(LOSS.calibrated_loss(logits, torch.arange(3)))
    many = float(LOSS.calibrated_loss(logits.repeat(100, 1), torch.arange(3).repeat(100)))
    assert few == pytest.approx(np.log(3) / 4, rel=1e-3)
    assert many < few / 50
