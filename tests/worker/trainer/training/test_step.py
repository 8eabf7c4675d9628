"""A training step moves the weights by one batch, whose examples may be mixed."""

import pytest
import torch
from torch.nn.functional import cross_entropy

from core.protocol.contracts.hyperparameters import Hyperparameters
from tests.worker.trainer.trainings import PLAIN, PLAIN_MLP, TASK, network_of
from worker.trainer.networks.ensemble import Ensemble
from worker.trainer.training.averaging import WeightAverage
from worker.trainer.training.step import Mixing, TrainingStep

X = torch.arange(12.0).view(6, 2)
Y = torch.arange(6) % 3
WEIGHTS = torch.tensor([[1.0, -0.5, 0.2], [0.3, 0.1, -0.7]])


def network(x):
    return x @ WEIGHTS


def test_without_mixing_the_loss_is_that_of_the_batch():
    assert Mixing(0.0, 1).loss(network, cross_entropy, X, Y) == cross_entropy(network(X), Y)


def test_the_loss_is_that_of_soft_targets_in_the_same_shares():
    """Where an example holds its own one-hot label, a mixed example holds its soft target."""
    seen = []
    labels = torch.eye(6)

    def watched(x):
        seen.append(x)
        return x @ torch.linspace(-1, 1, 36).view(6, 6)

    found = Mixing(0.4, 3).loss(watched, cross_entropy, labels, torch.arange(6))
    (mixed,) = seen
    torch.testing.assert_close(mixed.sum(dim=1), torch.ones(6))
    assert ((mixed > 0).sum(dim=1) == 2).any()
    torch.testing.assert_close(found, cross_entropy(watched(mixed), mixed))


def test_a_seed_decides_how_examples_are_mixed():
    def losses(seed):
        mixing = Mixing(0.4, seed)
        return [float(mixing.loss(network, cross_entropy, X, Y)) for _ in range(4)]

    assert losses(1) == losses(1) != losses(2)


def test_an_example_mixed_with_itself_does_not_change():
    one = X[:1]
    found = Mixing(0.4, 1).loss(network, cross_entropy, one, Y[:1])
    torch.testing.assert_close(found, cross_entropy(network(one), Y[:1]))


# --- steps ------------------------------------------------------------------------------------

BATCH = (torch.randn(6, 6, generator=torch.Generator().manual_seed(0)), Y)


def step_of(trained, average=None, **hyperparameters):
    h = Hyperparameters(epochs=1, **hyperparameters)
    return TrainingStep.of(trained, h, average, task=TASK, seed=0, compute=PLAIN)


def test_a_step_returns_the_loss_before_it_and_lowers_the_loss_of_its_batch():
    trained = network_of(PLAIN_MLP)
    before = float(cross_entropy(trained(BATCH[0]), Y).detach())
    step = step_of(trained)
    assert float(step(*BATCH, 0.01)) == pytest.approx(before, rel=1e-5)
    assert float(cross_entropy(trained(BATCH[0]), Y).detach()) < before


def test_the_loss_of_an_ensemble_is_the_mean_of_its_networks():
    networks = [network_of(PLAIN_MLP, seed) for seed in (1, 2)]
    alone = [float(cross_entropy(one(BATCH[0]), Y).detach()) for one in networks]
    loss = float(step_of(Ensemble(networks))(*BATCH, 0.0))
    assert loss == pytest.approx(sum(alone) / 2, rel=1e-5)


@pytest.mark.parametrize("optimiser", ["adamw", "sgd", "muon"])
def test_each_group_of_weights_gets_its_share_of_the_learning_rate(optimiser):
    step = step_of(network_of(PLAIN_MLP), optimiser=optimiser)
    step(*BATCH, 0.25)
    for each in step.optimisers:
        for group in each.param_groups:
            assert group["lr"] == 0.25 * group.get("rate_share", 1.0)


def test_a_step_smooths_labels():
    step = step_of(network_of(PLAIN_MLP), label_smoothing=0.3)
    logits = network_of(PLAIN_MLP)(BATCH[0]).detach()
    expected = float(cross_entropy(logits, Y, label_smoothing=0.3))
    assert float(step(*BATCH, 0.0)) == pytest.approx(expected, rel=1e-5)


def test_a_step_updates_the_average_of_the_weights():
    averaged, plain = network_of(PLAIN_MLP), network_of(PLAIN_MLP)
    average = WeightAverage(averaged, 0.5)
    step, other = step_of(averaged, average), step_of(plain)
    for one in (step, other):
        one(*BATCH, 0.01)
    with average.applied():
        assert torch.equal(averaged(BATCH[0]), plain(BATCH[0]))  # of one step, its weights
