"""Signals of different lengths become signals of one length with a mask."""

import io

import numpy as np
import pytest

from core.data import intake
from core.data.files import ReadLimits
from core.errors import InvalidDataset

NAN = np.nan
LABELS = np.arange(20) % 2


def read(x: np.ndarray, layout: str) -> intake.Intake:
    file = io.BytesIO()
    np.savez(file, x_train=x, y_train=LABELS, x_test=x, y_test=LABELS, layout=layout)
    return intake.read(file, ReadLimits())


def test_a_shorter_signal_is_continued_by_its_last_value() -> None:
    x = np.tile(np.array([[1.0, 2, 3, 4], [5, 6, NAN, NAN]], np.float32), (10, 1))

    found = read(x, "NL")

    assert found.arrays.x_train[:2].tolist() == [
        [[1, 2, 3, 4], [1, 1, 1, 1]],
        [[5, 6, 6, 6], [1, 1, 0, 0]],
    ]
    assert (found.spec.padded, found.spec.layout, found.spec.input_shape) == ("NL", "NCL", (2, 4))
    assert "40 signals of up to 4 steps and 1 channel" in found.description.summary[0]
    assert any("signals of different lengths" in note for note in found.description.notes)


def test_channels_end_together() -> None:
    x = np.arange(20 * 3 * 2, dtype=np.float64).reshape(20, 3, 2)
    x[0, 2] = NAN

    found = read(x, "NLC").arrays.x_train

    assert found[0].tolist() == [[0, 2, 2], [1, 3, 3], [1, 1, 0]]
    assert found[1, :2].tolist() == x[1].T.tolist()


def test_signals_of_one_length_have_no_mask() -> None:
    found = read(np.arange(80.0).reshape(20, 4), "NL")

    assert found.spec.padded is None
    assert found.spec.input_shape == (1, 4)


@pytest.mark.parametrize("wrong", ["inside", "one channel", "everywhere", "infinite"])
def test_other_gaps_are_refused(wrong: str) -> None:
    x = np.arange(20.0 * 4 * 2).reshape(20, 4, 2)
    x[5, 3] = NAN  # allowed
    where = {"inside": (7, 1), "one channel": (7, 3, 0), "everywhere": 7, "infinite": (7, 1)}
    x[where[wrong]] = np.inf if wrong == "infinite" else NAN

    where_and_how = r"in 1 of 20 examples, first in number 7; .* at the end of all channels"
    with pytest.raises(InvalidDataset, match=f"train examples hold NaN .*{where_and_how}"):
        read(x, "NLC")


def test_vectors_that_end_with_gaps_may_be_signals() -> None:
    x = np.tile(np.array([[1.0, 2, 3, 4], [5, 6, NAN, NAN]]), (10, 1))

    with pytest.raises(InvalidDataset, match=r"in 10 of 20 .*; if they are signals .*layout NL$"):
        read(x, "NF")


def test_gaps_of_the_test_split_are_said_to_be_there() -> None:
    train = np.array([[1.0, 2, 3], [4, NAN, NAN]] * 10)
    test = np.array([[1.0, 2, 3], [4, NAN, 3]] * 10)
    file = io.BytesIO()
    np.savez(file, x_train=train, y_train=LABELS, x_test=test, y_test=LABELS, layout="NL")

    expected = r"test examples hold .*in 10 of 20 .*first in number 1"
    with pytest.raises(InvalidDataset, match=expected):
        intake.read(file, ReadLimits())


def test_splits_may_have_different_lengths() -> None:
    train = np.array([[1.0, 2, 3], [4, NAN, NAN]] * 10)
    test = np.array([[1.0, 2, 3, 5, 6]] * 20)
    file = io.BytesIO()
    np.savez(file, x_train=train, y_train=LABELS, x_test=test, y_test=LABELS, layout="NL")

    found = intake.read(file, ReadLimits())

    assert found.arrays.x_train[:2].tolist() == [
        [[1, 2, 3, 3, 3], [1, 1, 1, 0, 0]],
        [[4, 4, 4, 4, 4], [1, 0, 0, 0, 0]],
    ]
    assert found.arrays.x_test[0].tolist() == [[1, 2, 3, 5, 6], [1, 1, 1, 1, 1]]
