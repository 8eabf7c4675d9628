"""Lists of labels as text and as columns of lists."""

import io
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from core.data import intake
from core.data.files import ReadLimits
from core.data.formats import ReadOptions
from core.data.intake import Intake
from core.data.written_lists import names_in, written
from core.errors import InvalidDataset

SETS = [[], ["cat"], ["cat", "dog"], ["dog"], ["bird", "cat"]] * 10


def read(data: bytes, **options: Any) -> Intake:
    return intake.read(io.BytesIO(data), ReadLimits(), ReadOptions(**options))


def csv(cells: list[str]) -> bytes:
    rows = ['{},"{}"\n'.format(k * 7 % 50, one.replace('"', '""')) for k, one in enumerate(cells)]
    return "".join(["a,tags\n", *rows]).encode()


def as_parquet(**columns: Any) -> bytes:
    file = io.BytesIO()
    parquet.write_table(pa.table(columns), file)
    return file.getvalue()


@given(st.lists(st.text()))
@settings(max_examples=50)
def test_a_list_is_read_as_it_was_written(names: list[str]) -> None:
    assert names_in(written(names)) == [name.strip() for name in names]


@given(st.lists(st.text("ab'\"\\, é", max_size=5)))
@settings(max_examples=50)
def test_the_lists_of_python_are_read(names: list[str]) -> None:
    assert names_in(repr(names)) == [name.strip() for name in names]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("[]", []), ("[cat, big dog]", ["cat", "big dog"]), ("('a',)", ["a"]),
        ("{'a', 'b'}", ["a", "b"]), ("[1, 2]", ["1", "2"]),
        ("cat", None), ("[a", None), ("['a]", None), ("['a' 'b']", None), ("[[1], [2]]", None),
        ("[,]", None), ("(a]", None), ("[", None), ("", None),
    ],
)  # fmt: skip
def test_other_forms_are_lists_or_not(text: str, names: list[str] | None) -> None:
    assert names_in(text) == names


def test_a_long_text_is_read_once() -> None:
    assert names_in("['" + "\\'" * 10**6 + "]") is None
    assert names_in("[" + " " * 10**6 + "'x") is None
    assert names_in("[a" + " " * 10**6 + "'b']") is None


@pytest.mark.parametrize("write", [str, written])
def test_a_column_of_written_lists_has_their_labels(write: Any) -> None:
    found = read(csv([write(one) for one in SETS]), target="tags", task="multi-label")
    assert found.arrays.class_names == ("bird", "cat", "dog")
    assert found.spec.train_examples + found.spec.test_examples == 50


def test_a_column_of_lists_has_several_labels_without_a_task() -> None:
    found = read(as_parquet(a=[k * 7 % 50 for k in range(50)], target=SETS))
    assert found.description.task == "multi-label"
    assert found.arrays.class_names == ("bird", "cat", "dog")


def test_empty_brackets_mean_no_label_beside_other_forms() -> None:
    cells = [";".join(one) or "[]" for one in SETS]
    found = read(csv(cells), target="tags", task="multi-label")
    assert found.arrays.class_names == ("bird", "cat", "dog")
    assert found.spec.train_examples + found.spec.test_examples == 50


def test_rows_without_labels_are_left_out_with_what_to_write() -> None:
    found = read(csv([";".join(one) for one in SETS]), target="tags", task="multi-label")
    assert (
        "rows without a value in the target column 'tags' are left out: 10; where an example has "
        "no label, write []"
    ) in found.description.warnings


def test_lists_that_are_no_labels_or_examples_are_refused_with_what_to_do() -> None:
    with pytest.raises(InvalidDataset, match="column 'target' is of type list<"):
        read(as_parquet(a=[*range(50)], target=[[[0.5]]] * 50))
    with pytest.raises(InvalidDataset, match="column 'tags' holds lists of string; expected lists"):
        read(as_parquet(tags=SETS, target=["a", "b"] * 25))
