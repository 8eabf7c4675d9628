"""The loss of a network that has learned nothing."""

from math import log

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn.functional import cross_entropy

from core.tasks.chance import chance_loss

counts = st.lists(st.integers(0, 30), min_size=2, max_size=12).filter(any)
smoothings = st.floats(0, 0.5)


def loss_of(logits, counts, smoothing):
    """The mean loss, as in training, of the same logits for every example."""
    labels = torch.from_numpy(np.repeat(np.arange(len(counts)), counts))
    rows = torch.as_tensor(logits, dtype=torch.float64).expand(len(labels), -1)
    return float(cross_entropy(rows, labels, label_smoothing=smoothing))


@given(counts=counts, smoothing=smoothings)
def test_the_chance_loss_is_that_of_the_class_frequencies(counts, smoothing):
    p = np.array(counts) / sum(counts)
    logits = np.log(np.maximum((1 - smoothing) * p + smoothing / len(p), 1e-30))
    assert chance_loss(counts, smoothing) == pytest.approx(
        loss_of(logits, counts, smoothing), abs=1e-9
    )


@given(counts=counts, smoothing=smoothings, seed=st.integers(0, 99))
def test_no_other_constant_output_has_a_smaller_loss(counts, smoothing, seed):
    logits = np.random.default_rng(seed).normal(size=len(counts))
    assert chance_loss(counts, smoothing) <= loss_of(logits, counts, smoothing) + 1e-9


def test_the_chance_loss_of_equal_classes_is_the_logarithm_of_their_number():
    for smoothing in (0.0, 0.1):
        assert chance_loss([7] * 9, smoothing) == pytest.approx(log(9))


@pytest.mark.parametrize("counts", [[], [0, 0], [3, -1]])
def test_without_examples_there_is_no_chance_loss(counts):
    with pytest.raises(ValueError, match="expected at least one"):
        chance_loss(counts)
