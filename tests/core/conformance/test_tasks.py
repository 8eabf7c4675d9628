"""Every task type measures, and says how sure it is."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.protocol.contracts.datasets import DatasetSpec
from core.tasks import TASKS

SPEC = DatasetSpec(
    input_shape=(1, 8, 8),
    classes=3,
    class_names=("a", "b", "c"),
    train_examples=100,
    test_examples=20,
    dtype="uint8",
    target_names=("a", "b"),  # of the task types that predict numbers
)


@pytest.mark.parametrize("kind", list(TASKS))
def test_a_task_names_its_metric_and_sizes_its_head(kind: str) -> None:
    task = TASKS[kind]()

    assert task.metric
    assert task.outputs(SPEC) >= 1
    assert task.objective(0.6) > task.objective(0.4) or not task.larger_is_better


@pytest.mark.parametrize("kind", list(TASKS))
@pytest.mark.parametrize("value", [0.0, 0.3, 1.0])
def test_the_standard_error_is_above_zero_and_shrinks_with_examples(
    kind: str, value: float
) -> None:
    task = TASKS[kind]()

    assert task.value_std(value, 100) > task.value_std(value, 400) > 0


def test_the_standard_error_of_accuracy_is_nearly_binomial() -> None:
    task = TASKS["image-classification"]()

    assert task.value_std(0.9, 10_000) == pytest.approx(math.sqrt(0.9 * 0.1 / 10_000), rel=1e-2)
    assert task.value_std(1.0, 360) == pytest.approx(1 / 361, rel=0.01)


@pytest.mark.parametrize("kind", list(TASKS))
def test_a_value_is_credible_within_the_range_of_its_task_alone(kind: str) -> None:
    task = TASKS[kind]()
    least, greatest = task.value_range

    assert least < greatest
    assert task.is_credible(least)
    assert task.is_credible(greatest)
    for value in (math.nextafter(least, -math.inf), math.nextafter(greatest, math.inf), math.nan):
        assert math.isinf(value) or not task.is_credible(value)


@settings(max_examples=8)
@given(errors=st.floats(0.05, 0.75), seed=st.integers(0, 99))
def test_the_standard_error_of_r_squared_is_that_of_repeated_measurements(errors, seed) -> None:
    n, rng = 200, np.random.default_rng(seed)
    truth = rng.normal(size=(300, n))
    predicted = (1 - errors) * truth + math.sqrt(errors * (1 - errors)) * rng.normal(size=(300, n))
    found = 1 - ((truth - predicted) ** 2).mean(axis=1) / truth.var(axis=1)

    expected = TASKS["regression"]().value_std(1 - errors, n)
    assert found.std() == pytest.approx(expected, rel=0.35)


@pytest.mark.parametrize(("metric", "value"), [(1.0, 1.0), (0.4, 0.4), (-0.5, -0.5), (-80.0, -1.0)])
def test_the_objective_of_regression_is_bounded_below(metric: float, value: float) -> None:
    task = TASKS["regression"]()

    assert task.objective(metric) == value
    assert task.is_credible(value)


def test_r_squared_is_a_number_for_people() -> None:
    task = TASKS["regression"]()

    assert task.in_words(0.45678, 0.0812) == "0.4568 ± 0.081"
    assert task.named_in_words(-0.2) == "R² -0.2"
    assert TASKS["image-classification"]().named_in_words(0.5) == "50.00 %"


def test_an_accuracy_is_a_percentage_for_people_and_a_share_for_programs() -> None:
    task = TASKS["image-classification"]()

    assert task.value_range == (0.0, 1.0)
    assert task.in_words(0.98421) == "98.42 %"
    assert task.in_words(0.98421, 0.00312) == "98.42 % ± 0.31"
