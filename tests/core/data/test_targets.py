"""Labels that are numbers to predict: recognised, or refused in one line."""

import io
from typing import Any

import numpy as np
import pytest

from core.data import intake
from core.data.datasets import decode, encode
from core.data.files import ReadLimits
from core.data.formats import ReadOptions
from core.data.splits import strata
from core.errors import InvalidDataset

X = np.random.default_rng(0).normal(size=(40, 3))
FRACTIONS = X[:, 0] * 10 + 0.25
WHOLE = np.arange(40) * 3.0 + 7


def read(y: Any, task: str | None = None, x: Any = X, **more: Any) -> intake.Intake:
    file = io.BytesIO()
    np.savez(file, x=x, y=y, **more)
    return intake.read(file, ReadLimits(), ReadOptions(task=task))


@pytest.mark.parametrize(
    ("y", "task", "names"),
    [
        (FRACTIONS, None, ("y",)),
        (FRACTIONS.astype(np.float32)[:, None], None, ("y",)),
        (np.stack([FRACTIONS, WHOLE], axis=1), None, ("y0", "y1")),
        (WHOLE, "regression", ("y",)),
        (WHOLE.astype(np.int32), "regression", ("y",)),
        (WHOLE > 50, "regression", ("y",)),
        (FRACTIONS * 1e-13, None, ("y",)),
        (FRACTIONS * 1e-3 + 1e9, None, ("y",)),
    ],
)
def test_numbers_are_targets_in_float64_in_the_units_of_the_file(y, task, names, tmp_path) -> None:
    found = read(y, task)

    assert found.spec.target_names == names
    assert (found.spec.classes, found.spec.outputs) == (0, len(names))
    assert found.description.task == found.arrays.task == "regression"
    expected = np.asarray(y, np.float64).reshape(40, -1)
    both = np.concatenate([found.arrays.y_train, found.arrays.y_test])
    np.testing.assert_array_equal(np.sort(both, axis=0), np.sort(expected, axis=0))
    (path := tmp_path / "stored").write_bytes(encode(found.arrays))
    np.testing.assert_array_equal(decode(path).y_train, found.arrays.y_train)
    assert decode(path).target_names == names


def test_whole_numbers_are_classes_unless_the_person_says_otherwise() -> None:
    labels = np.arange(40) % 4 * 1.0

    assert read(labels).arrays.task == "image-classification"
    assert read(labels, "regression").arrays.task == "regression"
    with pytest.raises(InvalidDataset, match="fractions"):
        read(FRACTIONS, "image-classification")


def test_whole_numbers_that_hardly_repeat_are_numbers_to_predict() -> None:
    found = read(WHOLE)

    assert found.arrays.task == "regression"
    assert "whole numbers that hardly repeat" in found.description.task_reason


@pytest.mark.parametrize(
    "labels",
    [
        pytest.param(np.arange(40), id="they may be the numbers of classes"),
        pytest.param(np.tile([*range(0, 60, 3)], 2), id="there are few of them"),
    ],
)
def test_other_whole_numbers_that_hardly_repeat_are_refused_with_a_hint(labels) -> None:
    with pytest.raises(InvalidDataset, match=r"give the task regression|at least"):
        read(labels)


def test_many_whole_numbers_bring_a_hint() -> None:
    found = read(np.tile(np.arange(25) * 2, 8), x=np.tile(X, (5, 1)))
    assert "25 whole numbers are taken as classes" in found.description.warnings[0]


def test_the_description_says_why_and_in_which_range() -> None:
    found = read(np.tile([1.5, 2.5], 20)).description

    assert found.task_reason == "the labels have fractions, so they are numbers to predict"
    assert found.summary[1] == (
        "1 number to predict: y from 1.5 to 2.5, mean 2, standard deviation 0.5"
    )
    assert [split.by_class for split in found.splits] == [(), ()]
    assert [split.examples for split in found.splits] == [32, 8]


@pytest.mark.parametrize(
    ("y", "task", "message"),
    [
        (np.where(np.arange(40) == 3, np.nan, FRACTIONS), None, "train targets hold NaN"),
        (np.where(np.arange(40) == 3, np.inf, FRACTIONS), None, "train targets hold NaN or inf"),
        (np.full(40, 0.1), None, "target 'y' is 0.1 for all training examples"),
        (np.full(40, 3), "regression", "target 'y' is 3 for all training examples"),
        (0.1 + 1e-18 * np.arange(40), None, "for all training examples"),
        (FRACTIONS.astype(complex), "regression", "y is of type complex128"),
        (FRACTIONS * 1e300, "regression", "values up to .*e.30.; expected at most 1e.100"),
        (FRACTIONS * 1e-120, None, "for all training examples"),
        (np.array(["a", "b"] * 20), "regression", "expected numbers to predict"),
        (FRACTIONS[:39], None, "40 train examples and 39 labels"),
        (np.zeros((40, 2, 2)) + 0.5, None, r"shape \(40, 2, 2\); expected \(N,\)"),
        (np.ones((40, 33)) * FRACTIONS[:, None], None, "found 33 targets; expected at most 32"),
        (np.full((40, 2), 0.5), None, "of probabilities take"),
        (FRACTIONS, "forecast", "task is 'forecast'; expected one of"),
    ],
)
def test_bad_targets_are_refused_in_one_line(y, task, message) -> None:
    with pytest.raises(InvalidDataset, match=message) as caught:
        read(y, task)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("examples", [1, 5])
def test_too_few_examples_are_refused(examples: int) -> None:
    with pytest.raises(InvalidDataset, match=r"found \d train example\(s\); expected at least 10"):
        read(FRACTIONS[:examples], x=X[:examples])


def test_a_split_covers_the_range_of_the_targets() -> None:
    found = read(np.arange(40) / 3).arrays

    assert len(found.y_test) == 8
    groups = strata(np.arange(40.0)[:, None])
    assert np.bincount(groups).tolist() == [5] * 8
    assert found.y_test.min() < 3
    assert found.y_test.max() > 10
