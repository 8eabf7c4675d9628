"""Mixed examples and the loss of their mixed targets."""

import torch
from torch.nn.functional import cross_entropy

from worker.trainer.training.mixing import Mixing

X = torch.arange(12.0).view(6, 2)
Y = torch.arange(6) % 3
WEIGHTS = torch.tensor([[1.0, -0.5, 0.2], [0.3, 0.1, -0.7]])


def network(x):
    return x @ WEIGHTS


def test_without_mixing_it_is_the_loss_of_the_batch():
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
