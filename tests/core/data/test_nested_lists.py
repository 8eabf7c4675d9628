"""Columns of lists, of Parquet and JSON Lines files, become the same examples as arrays do."""

import io
import json
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

from core.data import intake
from core.data.files import ReadLimits
from core.data.formats import ReadOptions
from core.data.intake import Intake
from core.data.nested_lists import array_of
from core.errors import InvalidDataset
from core.protocol.contracts.datasets import SplitKind

N = 20
Y = ["no", "yes"] * (N // 2)


def read(data: bytes, limits: ReadLimits = ReadLimits(), **options: Any) -> Intake:  # noqa: B008
    return intake.read(io.BytesIO(data), limits, ReadOptions(**options))


def as_parquet(columns: dict[str, Any]) -> bytes:
    file = io.BytesIO()
    parquet.write_table(pa.table(columns), file)
    return file.getvalue()


def as_lines(columns: dict[str, Any]) -> bytes:
    rows = (dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True))
    return "\n".join(map(json.dumps, rows)).encode()


def as_npz(signals: list[Any], layout: str) -> bytes:
    """The same signals in an array, by the rule of the documentation."""
    axis = layout.index("L") - 1
    arrays = [np.asarray(one, np.float64) for one in signals]
    longest = max(one.shape[axis] for one in arrays)
    shape = (*arrays[0].shape[:axis], longest, *arrays[0].shape[axis + 1 :])
    x = np.full((len(arrays), *shape), np.nan)
    for target, one in zip(x, arrays, strict=True):
        target[tuple(slice(size) for size in one.shape)] = one
    file = io.BytesIO()
    np.savez(file, x=x, y=np.array(Y), layout=layout)
    return file.getvalue()


@st.composite
def signals(draw: st.DrawFn) -> tuple[list[Any], str]:
    """Signals of different lengths as nested lists, and their layout."""
    layout = draw(st.sampled_from(("NL", "NLC", "NCL")))
    channels = draw(st.integers(1, 3))
    lengths = draw(st.lists(st.integers(1, 9), min_size=N, max_size=N))
    lengths[0], lengths[1] = 9, 1
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    shapes = {"NL": lambda n: (n,), "NLC": lambda n: (n, channels), "NCL": lambda n: (channels, n)}
    whole = draw(st.booleans())
    found = [rng.normal(size=shapes[layout](n)) * 100 for n in lengths]
    return [(one.round() if whole else one).tolist() for one in found], layout


@pytest.mark.parametrize("write", [as_parquet, as_lines])
@given(found=signals())
def test_lists_are_the_signals_of_an_array_that_ends_with_nan(write: Any, found: Any) -> None:
    lists, layout = found

    ours = read(write({"id": [f"s{k}" for k in range(N)], "x": lists, "y": Y}), layout=layout)

    expected = read(as_npz(lists, layout))
    assert ours.spec.padded == layout
    assert ours.spec.input_shape == expected.spec.input_shape
    assert ours.arrays.class_names == expected.arrays.class_names == ("no", "yes")
    for name in ("x_train", "x_test", "y_train", "y_test"):
        np.testing.assert_array_equal(getattr(ours.arrays, name), getattr(expected.arrays, name))
    assert "columns that are left out: 'id'" in ours.description.notes


@given(shape=st.lists(st.integers(1, 4), min_size=1, max_size=3), fixed=st.booleans())
def test_lists_of_one_length_keep_their_values_and_type(shape: list[int], fixed: bool) -> None:
    x = np.arange(N * np.prod(shape), dtype=np.int16).reshape(N, *shape)
    kind: pa.DataType = pa.int16()
    for size in shape[::-1]:
        kind = pa.list_(kind, size) if fixed else pa.list_(kind)

    found = array_of(pa.chunked_array([x[:7].tolist(), x[7:].tolist()], kind), "x", None, 2**20)

    assert found.dtype == x.dtype
    np.testing.assert_array_equal(found, x)


def test_a_part_may_have_the_longest_signal() -> None:
    """Of several files, of which each has signals of its own lengths."""
    columns = {"x": [[1.0] * (1 + k % 3) for k in range(N)], "y": Y, "split": ["train"] * N}
    test = {"x": [[2.0] * (1 + k % 5) for k in range(N)], "y": Y, "split": ["test"] * N}
    together = {name: columns[name] + test[name] for name in columns}

    found = read(as_lines(together), layout="NL")

    assert found.spec.input_shape == (2, 5)
    assert found.arrays.x_train[:, 1].sum(axis=1).tolist() == [1 + k % 3 for k in range(N)]
    assert found.arrays.x_test[:, 1].sum(axis=1).tolist() == [1 + k % 5 for k in range(N)]
    assert (found.spec.train_examples, found.spec.test_examples) == (N, N)


def test_groups_and_missing_labels_are_those_of_a_table() -> None:
    labels = [None if k == 4 else y for k, y in enumerate(Y)]
    columns = {
        "x": [[k, k + 1.5] for k in range(N)],
        "label": labels,
        "who": [k // 4 for k in range(N)],
    }

    found = read(as_parquet(columns), group="who", layout="NL")

    assert found.spec.split.test is SplitKind.GROUP
    assert found.spec.train_examples + found.spec.test_examples == N - 1
    assert any("without a value in the target column" in one for one in found.description.warnings)
    every = np.concatenate([found.arrays.x_train, found.arrays.x_test])
    assert sorted(every[:, 0, 0].tolist()) == [k for k in range(N) if k != 4]


def test_numbers_are_predicted_from_lists() -> None:
    columns = {"x": [[[k, 1], [2, 3]] for k in range(N)], "y": [k / 3 for k in range(N)]}

    found = read(as_lines(columns))

    assert (found.arrays.task, found.spec.layout) == ("regression", "NHW")


LISTS = [[1.0] * (1 + k % 2) for k in range(N)]


@pytest.mark.parametrize(
    ("columns", "options", "message"),
    [
        ({"x": LISTS}, {}, "'x' holds lists of 2 lengths; expected one length in all rows: pad or"),
        ({"x": LISTS, "z": LISTS}, {"layout": "NL"}, r"found 2 columns of lists \('x', 'z'\);"),
        ({"x": LISTS, "age": [1.5] * N}, {"layout": "NL", "categories": ("age",)},
         "found categories beside the column of lists 'x'"),
        ({"x": [*LISTS[1:], None]}, {"layout": "NL"}, "'x' holds 1 rows or lists without a value"),
        ({"x": [*LISTS[1:], []]}, {"layout": "NL"}, "NaN stand only at the end of all channels"),
        ({"x": [[]] * N}, {"layout": "NL"}, "'x' holds lists of null; expected lists of numbers"),
        ({"x": [["a"]] * N}, {"layout": "NL"}, "'x' holds lists of string; expected lists of num"),
        ({"x": [[[1], [1, 2]]] * N}, {"layout": "NCL"}, "'x' holds lists that are no signals NCL"),
        ({"x": [[[1]], [[1], [2]]] * (N // 2)}, {"layout": "NCL"}, "no signals NCL"),
        ({"x": [[[1]], [[1], [2]]] * (N // 2)}, {"layout": "NL"}, "no signals NL;"),
        ({"x": LISTS}, {"layout": "NCL"}, "that are no signals NCL"),
        ({"x": [[[[[1]]]]] * N}, {}, "holds lists of 4 levels; expected up to 3"),
        ({"x": [[1, 2]] * N, "y": [[[1]]] * N}, {}, "column 'y' is of type list<"),
        ({"x": LISTS}, {"layout": "NL", "text": "x"}, "the layout 'NL' is for arrays"),
        ({"x": [{"a": 1}] * N}, {}, "column 'x' is of type struct<"),
    ],
)  # fmt: skip
def test_other_lists_are_refused_with_what_to_do(
    columns: dict[str, Any], options: dict[str, Any], message: str
) -> None:
    with pytest.raises(InvalidDataset, match=message):
        read(as_parquet({"y": Y} | columns), **options)


def test_one_long_signal_among_short_ones_needs_no_memory() -> None:
    lists = [[1.0]] * (N - 1) + [[1.0] * 100_000]

    with pytest.raises(InvalidDataset, match="becomes 16,000,000 bytes where all signals have the"):
        read(as_parquet({"x": lists, "y": Y}), ReadLimits(bytes=10**7), layout="NL")
