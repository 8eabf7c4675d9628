"""How far a training is, by steps and by time, and the learning rate at that point."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.protocol.contracts.hyperparameters import Hyperparameters
from tests.clock import Clock
from worker.trainer.training.schedule import TrainingProgress, rate_share


def test_without_a_time_limit_steps_decide():
    clock = Clock(1000.0)
    progress = TrainingProgress(Hyperparameters(epochs=4), 10, clock)
    clock.now += 1e6
    progress.steps = 10
    assert progress.share == 0.25
    progress.steps = 40
    assert progress.share == 1.0


def test_the_larger_of_steps_and_time_decides():
    clock = Clock(1000.0)
    progress = TrainingProgress(Hyperparameters(epochs=4, max_seconds=100.0), 10, clock)
    progress.steps = 10
    assert progress.share == 0.25
    clock.now += 50
    assert (progress.share, progress.seconds) == (0.5, 50)
    progress.steps = 30
    assert progress.share == 0.75


@pytest.mark.parametrize(("steps", "epochs"), [(0, 0), (1, 1), (10, 1), (11, 2), (20, 2)])
def test_an_epoch_that_has_begun_counts(steps, epochs):
    progress = TrainingProgress(Hyperparameters(epochs=4), 10, Clock(1000.0))
    progress.steps = steps
    assert progress.epochs == epochs


PHASES = st.tuples(st.floats(0, 0.99), st.floats(0, 1))


@given(phases=PHASES, steps=st.integers(2, 200))
def test_the_rate_rises_stays_and_falls(phases, steps):
    warmup, decay = phases
    rates = [(p, rate_share(p, warmup, decay)) for p in np.linspace(0, 1, steps)]
    for (before, lower), (after, upper) in pairwise(rates):
        if after < warmup:
            assert upper > lower
        if before >= warmup:
            assert upper <= lower
        if before >= warmup and after <= 1 - decay:
            assert upper == lower == 1
    assert all(0.002 <= rate <= 1 for _, rate in rates)
    assert rate_share(warmup, warmup, decay) == pytest.approx(1)


@given(warmup=st.floats(0, 0.99), decay=st.floats(0.001, 1))
def test_a_rate_that_falls_ends_near_zero(warmup, decay):
    assert rate_share(1, warmup, decay) == pytest.approx(0.002)


@given(progress=st.floats(0.2, 1))
def test_without_decay_the_rate_stays_to_the_end(progress):
    assert rate_share(progress, 0.2, 0.0) == 1
