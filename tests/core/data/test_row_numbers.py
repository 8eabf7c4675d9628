"""Columns that number the rows are warned of and can be left out; counts are neither."""

import io
import json
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from core.data import intake
from core.data.files import ReadLimits
from core.data.formats import ReadOptions
from core.data.intake import Intake
from core.errors import InvalidDataset

N = 80
RNG = np.random.default_rng(3)
LABELS = np.repeat(["no", "yes"], N // 2)
VALUES = RNG.normal(size=N).round(3)


def read(data: bytes, **options: Any) -> Intake:
    return intake.read(io.BytesIO(data), ReadLimits(), ReadOptions(target="y", **options))


def table(name: str, column: Any, labels: Any = LABELS) -> bytes:
    rows = zip(VALUES, column, labels, strict=True)
    return "\n".join([f"a,{name},y", *(",".join(map(str, row)) for row in rows)]).encode()


def about(found: Intake, name: str) -> list[str]:
    return [one for one in found.description.warnings if f"column '{name}'" in one]


@pytest.mark.parametrize(
    ("name", "column", "words"),
    [
        ("nr", RNG.permutation(N), "may only number the rows: its integers are all different"),
        ("nr", RNG.permutation(N) + 5000, "may only number the rows: its integers are all"),
        ("nr", np.arange(N) * 10 + 7, "may only number the rows: its integers rise from each"),
        ("nr", np.arange(N)[::-1], "may only number the rows: its integers fall from each"),
        ("nr", np.cumsum(RNG.integers(1, 900, N)), "its integers rise from each row to the next"),
        ("nr", [*map(float, RNG.permutation(N))], "may only number the rows"),
        ("shop_id", RNG.integers(0, 30, N), "its name says that it is an identifier"),
        ("userID", RNG.integers(0, 30, N), "its name says that it is an identifier"),
    ],
)
def test_a_column_that_numbers_or_names_rows_is_warned_of_with_what_to_do(
    name: str, column: Any, words: str
) -> None:
    (warning,) = about(read(table(name, column)), name)

    assert words in warning
    assert "leave it out by --leave-out COLUMN (leave_out in REST and Python)" in warning


@pytest.mark.parametrize(
    ("name", "column"),
    [
        ("rooms", RNG.integers(1, 9, N)),
        ("steps", RNG.integers(0, 20_000, N)),  # all different, but far apart and in no order
        ("visits", np.arange(N) // 2),  # in order, but repeated
        ("paid", RNG.integers(0, 500, N)),
        ("key", RNG.integers(0, 12, N)),  # of music
        ("weight", np.sort(VALUES)),
        ("day", [f"2024-{1 + k // 28:02}-{1 + k % 28:02}" for k in range(N)]),
        ("shop_id", [f"s{k % 7}" for k in range(N)]),
    ],
)
def test_counts_and_measurements_are_not(name: str, column: Any) -> None:
    found = read(table(name, column, RNG.permutation(LABELS)))

    assert about(found, name) == []
    assert {one.name: one.taken_as for one in found.description.columns}[name] != "left out"


def test_numbers_of_rows_are_found_in_test_rows_that_are_numbered_again() -> None:
    numbers = np.concatenate([np.arange(60) * 10, np.arange(20) * 10])
    parts = np.repeat(["train", "test"], [60, 20])
    rows = zip(VALUES, numbers, RNG.permutation(LABELS), parts, strict=True)
    text = "\n".join(["a,nr,y,split", *(",".join(map(str, row)) for row in rows)])

    assert about(read(text.encode()), "nr")


@pytest.mark.parametrize("kind", ["csv", "parquet", "jsonl"])
def test_columns_are_left_out_as_requested(kind: str) -> None:
    columns = {"a": VALUES, "nr": RNG.permutation(N), "b": VALUES[::-1], "y": LABELS}
    arrow, file = pa.table(columns), io.BytesIO()
    if kind == "parquet":
        parquet.write_table(arrow, file)
    elif kind == "jsonl":
        file.write("\n".join(map(json.dumps, arrow.to_pylist())).encode())
    else:
        rows = map(",".join, ([*map(str, one.values())] for one in arrow.to_pylist()))
        file.write("\n".join(["a,nr,b,y", *rows]).encode())

    found = read(file.getvalue(), leave_out=("nr", "b"))

    assert found.spec.table is not None
    assert [one.name for one in found.spec.table.columns] == ["a"]
    facts = {one.name: (one.taken_as, one.reason) for one in found.description.columns}
    assert facts["nr"] == facts["b"] == ("left out", "as requested")
    assert about(found, "nr") == []


def test_one_of_two_columns_of_lists_and_a_column_of_splits_can_be_left_out() -> None:
    lines = [
        {"x": [k, k % 7], "z": [1, k], "split": "test" if k % 4 else "train", "y": LABELS[k]}
        for k in range(N)
    ]
    data = "\n".join(json.dumps(one) for one in lines).encode()

    with pytest.raises(InvalidDataset, match="leave the others out by --leave-out COLUMN"):
        read(data, layout="NL")
    found = read(data, layout="NL", leave_out=("z", "split"))

    assert found.spec.input_shape == (1, 2)
    assert found.arrays.x_train.shape[0] == 64  # a fifth is set aside, whatever the column says


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"leave_out": ("b", "a")},
            "found no column 'b' to leave out; the table has 'a', 'nr', 'y",
        ),
        ({"leave_out": ("y",)}, "found 'y' to leave out, which is the target"),
        ({"leave_out": ("a",), "categories": ("a",)}, "found 'a' to leave out, which is the targ"),
        ({"leave_out": ("nr",), "group": "nr"}, "found 'nr' to leave out"),
        ({"leave_out": ("a", "nr")}, "no column is left to learn from"),
    ],
)
def test_columns_that_cannot_be_left_out_are_refused(options: Any, message: str) -> None:
    with pytest.raises(InvalidDataset, match=message):
        read(table("nr", np.arange(N)), **options)


def about_features(x: Any, **arrays: Any) -> list[str]:
    file = io.BytesIO()
    np.savez(file, x=x, y=RNG.permutation(np.arange(N) % 2), **arrays)
    found = intake.read(file, ReadLimits(), ReadOptions())
    marks = ("far from its other values", "may only number")
    return [one for one in found.description.warnings if any(mark in one for mark in marks)]


def test_features_of_vectors_that_number_rows_or_hold_codes_are_warned_of() -> None:
    x = RNG.normal(size=(N, 5))
    x[:, 1] = RNG.permutation(N)
    x[:, 4] = np.arange(N) * 3
    x[::9, 2] = -999

    far, numbers = about_features(x)

    assert far.startswith("feature 2 has -999 in 9 examples, far from its other values")
    assert far.endswith("replace it in x or remove these examples")
    assert numbers.startswith("feature 1 may only number the examples: its integers are all diff")
    assert numbers.endswith("learns the order of the examples from it (so for features 4)")
    assert len(about_features(x.astype(np.float32))) == 2


@pytest.mark.parametrize(
    "x",
    [
        RNG.normal(size=(N, 4)),
        np.where(RNG.random((N, 9)) < 0.03, RNG.integers(1, 255, (N, 9)), 0) / 255,  # a border
        np.where(RNG.random((N, 9)) < 0.03, RNG.integers(1, 999, (N, 9)), 0),  # counts of words
        np.array([[900, 1, 2, *[0] * (N - 3)]]).T + np.zeros((1, 2), np.int64),  # a rare word
        RNG.integers(0, 99, (N, 4)),
        RNG.permutation(N)[:, None].astype(np.uint8) + np.zeros((N, 2), np.uint8),
        np.exp(3 * RNG.normal(size=(N, 3))),
    ],
)
def test_usual_features_of_vectors_are_not(x: Any) -> None:
    assert about_features(x) == []
