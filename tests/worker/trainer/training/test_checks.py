"""A training that diverges, learns nothing or runs out of memory is ended."""

import math

import pytest
import torch

from core.errors import InfeasibleTrial, OutOfMemory
from worker.trainer.training.checks import (
    LEAST_STEPS,
    LearningCheck,
    memory_errors_as_infeasible,
)


def look(check: LearningCheck, losses, steps: int) -> None:
    """Show the check the losses of a training of this many steps."""
    for step in range(1, steps + 1):
        check.add(step, (step - 1) / steps, torch.tensor(losses((step - 1) / steps)))


def test_a_loss_no_better_than_chance_after_a_tenth_is_infeasible():
    with pytest.raises(InfeasibleTrial, match=r"does not learn: its loss is 2.303 after 101 steps"):
        look(LearningCheck(math.log(10)), lambda at: math.log(10) + 1e-4, 1000)


def test_a_loss_below_that_of_chance_is_learning():
    look(LearningCheck(math.log(10)), lambda at: 2.0, 1000)


def test_losses_after_the_first_tenth_do_not_matter():
    look(LearningCheck(1.0), lambda at: 0.9 if at < 0.2 else 5.0, 1000)


def test_a_high_loss_of_the_first_steps_does_not_matter():
    look(LearningCheck(1.0), lambda at: 9.0 if at < 0.05 else 0.9, 1000)


def test_the_learning_check_ignores_a_loss_that_is_not_a_number():
    look(LearningCheck(1.0), lambda at: math.nan, 1000)


def test_after_few_steps_no_training_is_ended():
    look(LearningCheck(1.0), lambda at: 2.0, LEAST_STEPS - 1)
    with pytest.raises(InfeasibleTrial):
        look(LearningCheck(1.0), lambda at: 2.0, LEAST_STEPS + 1)


def test_without_a_loss_of_chance_nothing_is_checked():
    look(LearningCheck(None), lambda at: 99.0, 1000)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (torch.OutOfMemoryError("CUDA out of memory.\nA long story"), "CUDA out of memory."),
        (MemoryError("Unable to allocate 2 EiB"), "Unable to allocate 2 EiB"),
        (MemoryError(), "MemoryError"),
        (RuntimeError("you tried to allocate memory\nat line 9"), "you tried to allocate memory"),
        (OSError(12, "Cannot allocate memory"), "[Errno 12] Cannot allocate memory"),
    ],
)
def test_too_little_memory_is_a_fact_about_the_architecture_and_the_device(error, reason):
    with pytest.raises(OutOfMemory) as found, memory_errors_as_infeasible():
        raise error
    assert str(found.value) == f"out of memory: {reason}"


@pytest.mark.parametrize(
    "error", [RuntimeError("shapes differ"), ValueError("allocate memory"), OSError(5, "I/O error")]
)
def test_other_errors_are_raised_as_they_are(error):
    with pytest.raises(type(error)) as found, memory_errors_as_infeasible():
        raise error
    assert found.value is error
