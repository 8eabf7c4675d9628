"""A task type turns a metric into an objective, judges values, and puts them into words."""

import math

import pytest

from core.protocol.contracts.datasets import DatasetSpec
from core.tasks.metric import Metric
from core.tasks.task import AbstractTask


class Accuracy(AbstractTask):
    """A share of which more is better."""

    metrics = (Metric(kind="accuracy", name="accuracy"),)

    def outputs(self, spec: DatasetSpec) -> int:
        return spec.classes

    def value_std(self, value: float, examples: int) -> float:
        return 1 / examples


class SquaredError(Accuracy):
    """An error of which less is better: its objective is never positive."""

    metrics = (
        Metric(
            kind="squared-error",
            name="squared error",
            larger_is_better=False,
            value_range=(-math.inf, 0.0),
            in_percent=False,
        ),
    )


def test_more_of_an_objective_is_better_whatever_the_direction_of_the_metric():
    assert Accuracy().objective(0.75) == 0.75
    assert SquaredError().objective(0.75) == -0.75


@pytest.mark.parametrize("task", [Accuracy(), SquaredError()])
def test_a_metric_comes_back_from_its_objective(task):
    assert task.of_objective(task.objective(0.3)) == 0.3


@pytest.mark.parametrize(
    ("task", "value", "expected"),
    [
        (Accuracy(), 0.0, True),
        (Accuracy(), 1.0, True),
        (Accuracy(), -0.01, False),
        (Accuracy(), 1.01, False),
        (Accuracy(), math.nan, False),
        (SquaredError(), -1e9, True),
        (SquaredError(), 0.01, False),
        (SquaredError(), math.nan, False),
    ],
)
def test_a_value_is_credible_within_the_range_of_objectives(task, value, expected):
    assert task.is_credible(value) == expected


@pytest.mark.parametrize(
    ("task", "std", "expected"),
    [
        (Accuracy(), None, "98.42 %"),
        (Accuracy(), 0.00312, "98.42 % ± 0.31"),
        (Accuracy(), 0.0, "98.42 % ± 0.00"),
        (SquaredError(), None, "0.9842"),
        (SquaredError(), 0.00312, "0.9842 ± 0.0031"),
    ],
)
def test_a_metric_is_written_as_people_read_it(task, std, expected):
    assert task.in_words(0.98421, std) == expected


def test_a_task_type_must_size_the_head_and_give_a_standard_error():
    with pytest.raises(TypeError, match=r"outputs.*value_std"):
        AbstractTask()
