"""Tables become vectors by rules that are said, and bad tables are answered with what to do."""

import io
import re
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from core.data import intake
from core.data.description.facts import ColumnFacts
from core.data.files import ReadLimits
from core.data.formats import ReadOptions
from core.data.intake import Intake
from core.data.tables.cells import column_of
from core.data.tables.table import MAX_COLUMNS, Numbers
from core.errors import InvalidDataset
from core.protocol.contracts.datasets import ColumnSpec, SplitKind
from worker.trainer.export.predict import _days

N = 60
Y = ["no", "yes"] * (N // 2)
AGE = np.random.default_rng(0).normal(40, 10, N).round(3).tolist()


def text(columns: dict[str, Any], separator: str = ",") -> str:
    """A CSV file."""
    rows = [columns, *zip(*columns.values(), strict=True)]
    return "".join(separator.join(map(str, row)) + "\n" for row in rows)


def read(
    table: str | bytes | dict[str, Any], *, categories: tuple[str, ...] = (), **options: Any
) -> Intake:
    if isinstance(table, dict):
        table = text(table)
    data = table if isinstance(table, bytes) else table.encode()
    return intake.read(
        io.BytesIO(data), ReadLimits(), ReadOptions(categories=categories, **options)
    )


def column(values: list[Any], **options: Any) -> tuple[ColumnFacts, ColumnSpec | None, Intake]:
    """How a column "c" is understood beside an age and a target."""
    found = read({"age": AGE, "c": values, "target": Y}, **options)
    facts = {one.name: one for one in found.description.columns}["c"]
    return facts, {one.name: one for one in found.spec.table.columns}.get("c"), found


def cycle(*values: Any) -> list[Any]:
    return [values[k % len(values)] for k in range(N)]


# --- labels -----------------------------------------------------------------------------------


def test_labels_that_differ_in_capital_letters_are_warned_of_and_merged_where_requested() -> None:
    answers = {"age": AGE, "target": cycle("Yes", "no", "yes ", "yes", "NO", "no")}

    doubtful, found = read(answers), read(answers, merge_labels=True)

    assert doubtful.spec.class_names == ("NO", "Yes", "no", "yes")
    assert any("'NO' and 'no'; 'Yes' and 'yes'" in one for one in doubtful.description.warnings)
    assert found.spec.class_names == ("no", "yes")
    assert [sum(one.by_class) for one in found.description.splits] == [48, 12]
    assert not any("capital" in one for one in found.description.warnings)
    assert any("'Yes' and 'yes' as 'yes'" in one for one in found.description.notes)


def test_a_rare_spelling_of_a_class_is_refused_with_what_merges_it() -> None:
    rare = {"age": AGE, "target": ["Yes", *cycle("no", "yes")[1:]]}
    with pytest.raises(InvalidDataset, match=r"'Yes' has 1 .*'yes' differs only in"):
        read(rare)
    assert read(rare, merge_labels=True).spec.class_names == ("no", "yes")


# --- columns ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "taken_as", "reason"),
    [
        (AGE[::-1], "number", "numbers from "),
        (cycle(1, 2, 3), "number", "integers from 1 to 3 (3 values; name it as a category"),
        (cycle(0, 1), "number", "integers from 0 to 1"),
        (cycle("a", "b", "c"), "category", "3 categories"),
        (cycle("True", "FALSE"), "category", "2 categories"),
        (cycle("a", "b", "") , "category", "2 categories; missing is marked"),
        (cycle("1.5", "NA", "2"), "number", "a missing one counts as the median and is marked"),
        (cycle("2024-01-31", "2023-05-01 12:30"), "date", "days since 1970"),
        (cycle("x"), "left out", "the same value in all rows"),
        (cycle("?", "NA", ""), "left out", "no values"),
        (range(N), "left out", "it numbers the rows"),
        ([f"u{k}" for k in range(N)], "left out", "60 different texts: an identifier"),
        ([f"{1 + k % 28}/{1 + k // 28}/2024" for k in range(N)], "left out", "not written as 2024"),
        ([f"2024-01-{1 + k % 28}T{k % 24:02}:05Z" if k % 28 > 8 else f"2024-01-01T{k % 24:02}:06Z"
          for k in range(N)], "date", "days since 1970"),
        ([f"2024-01-01 10:{k:02}:00.5-03:30" for k in range(N)], "date", "days since 1970"),
        ([str(v) if k % 10 else "n.d." for k, v in enumerate(AGE)], "left out",
         "most of its cells are numbers, and others are not, as 'n.d.': empty those"),
        ([f"€{k}.50" for k in range(N)], "left out", "numbers have further marks, as '€"),
        ([f"{k / 8} %" for k in range(N)], "left out", "write them as 1234.5"),
        ([f"{1 + k} {100 + k}" for k in range(N)], "left out", "write them as 1234.5"),
        ([f"AB{k}" for k in range(N)], "left out", "different texts: an identifier or free"),
        (np.random.default_rng(0).permutation(10**6)[:N], "number", "integers from "),
    ],
)  # fmt: skip
def test_a_column_is_taken_for_what_its_cells_are(values: Any, taken_as: str, reason: str) -> None:
    facts, _, _ = column(list(values))

    assert facts.taken_as == taken_as
    assert reason.replace("60", "48") in facts.reason  # of the training rows


def as_parquet(**columns: Any) -> bytes:
    file = io.BytesIO()
    parquet.write_table(pa.table(columns), file)
    return file.getvalue()


def test_texts_that_cannot_be_kept_as_categories_are_left_out() -> None:
    for text in ("x" * 2000, "x\0"):
        found = read(as_parquet(c=cycle(text, "b"), a=AGE, y=Y))
        reasons = {one.name: one.reason for one in found.description.columns}
        assert reasons["c"] == "it has texts of more than 1,000 characters or with NUL"


def test_one_long_text_does_not_multiply_the_memory() -> None:
    texts = [*(f"text {k}" for k in range(N - 1)), "x" * 2**24]  # 4 GiB as an array of NumPy

    found = read(as_parquet(c=texts, a=AGE, y=Y))

    assert "identifier or free text" in found.description.columns[1].reason
    with pytest.raises(InvalidDataset, match="of 16,777,216 characters; expected short names"):
        read(as_parquet(a=AGE, y=texts))


def test_integers_beyond_float64_are_different_classes() -> None:
    found = read({"age": AGE, "target": cycle(2**53 + 1, 2**53, 10**30)})

    assert found.spec.class_names == (str(10**30), str(2**53), str(2**53 + 1))


def test_the_largest_numbers_are_refused_with_their_column() -> None:
    with pytest.raises(InvalidDataset, match=r"cells of column 'c' hold values up to 1e\+308"):
        column(cycle("1e308", "-1e308", "0.5"))
    with pytest.raises(InvalidDataset, match=r"cells of column 'c' hold values up to 1e\+308"):
        column(cycle("1e308", "9e307"))


def test_the_name_of_different_integers_says_that_they_identify() -> None:
    keys = np.random.default_rng(0).permutation(10**6)[:N]

    found = read({name: keys for name in ("customer_id", "CustomerID", "width")} | {"y": Y})

    taken = [one.taken_as for one in found.description.columns]
    assert taken == ["target", "left out", "left out", "number"]


def test_a_missing_number_counts_as_the_median_and_is_marked() -> None:
    _, spec, found = column([*["" if k % 3 == 0 else k % 7 for k in range(N)]])

    x = np.concatenate([found.arrays.x_train, found.arrays.x_test])
    assert spec.missing
    assert found.arrays.x_train[:, 1:].shape == (48, 2)
    np.testing.assert_array_equal(np.unique(x[x[:, 2] == 1, 1]), [spec.fill])
    present = found.arrays.x_train[found.arrays.x_train[:, 2] == 0, 1]
    assert spec.fill == np.median(present)


def test_rare_categories_share_a_feature_and_the_most_frequent_have_their_own() -> None:
    often = [f"c{k % 40}" for k in range(400)]

    found = read({"c": [*often, *["rare", "rarer"] * 2], "y": (Y * 7)[:404]})

    (spec,) = found.spec.table.columns
    assert (len(spec.categories), spec.other, spec.features) == (32, True, 33)
    assert np.all(found.arrays.x_train.sum(axis=1) == 1)
    assert "the rarest" in found.description.columns[1].reason


def test_integers_are_categories_where_a_person_says_so() -> None:
    _, spec, _ = column(cycle(10, 20, "30.0"), categories=("c",))

    assert spec.categories == ("10", "20", "30")
    with pytest.raises(InvalidDataset, match=r"found no column 'd' to take as categories"):
        column(cycle(1, 2), categories=("d",))


def test_the_rules_are_learned_from_training_rows_alone() -> None:
    plain = read({"a": AGE, "c": cycle("x", "y"), "y": Y})
    in_test = {tuple(row) for row in plain.arrays.x_test.tolist()}
    test_rows = [k for k in range(N) if (np.float32(AGE[k]), k % 2 == 0, k % 2 == 1) in in_test]
    assert len(test_rows) == 12

    ages = [1e6 if k in test_rows else age for k, age in enumerate(AGE)]
    kinds = ["z" if k in test_rows else kind for k, kind in enumerate(cycle("x", "y"))]
    changed = read({"a": ages, "c": kinds, "y": Y})

    assert changed.spec.table == plain.spec.table
    np.testing.assert_array_equal(changed.arrays.x_train, plain.arrays.x_train)
    assert (changed.arrays.x_test == [1e6, 0, 0]).all()  # an unseen category is none of the known


def test_few_cells_that_are_no_numbers_count_as_missing_with_a_warning() -> None:
    facts, _, found = column([*AGE[:-2], "unknown", "unknown"])

    assert facts.taken_as == "number"
    assert "cells of column 'c' that are no numbers and count as missing: 2, such as 'unknown'" in (
        found.description.warnings
    )


# --- files ------------------------------------------------------------------------------------

TABLE = {"größe": AGE, "stadt": cycle("Köln", "Bonn"), "y": Y}


@pytest.mark.parametrize(
    ("data", "note"),
    [
        (text(TABLE).encode("utf-8-sig"), ""),
        (text(TABLE).encode("cp1252"), "read as Windows-1252"),
        (text(TABLE).encode("utf-16"), ""),
        (text(TABLE, ";").replace(".", ",").encode(), "separated by semicolons"),
        (text(TABLE, "\t").replace(".", ",").encode(), "separated by tabs"),
        (text(TABLE, "|").encode(), "separated by vertical bars"),
        (text(TABLE).replace("\n", "\r\n").encode(), ""),
        (text(TABLE).replace("\n", "\r").encode(), ""),
        (text(TABLE).replace(",Köln,", ', "Köln" ,').replace("größe", '"größe" ').encode(), ""),
        (("\n" + text(TABLE) + "\n\n").encode(), ""),
    ],
)  # fmt: skip
def test_the_same_table_is_read_however_it_is_written(data: bytes, note: str) -> None:
    if b' "K' in data:  # quotes that do not begin a cell are part of it
        data = data.replace(b' "', b'"').replace(b'" ,', b'",')

    found, expected = read(data), read(TABLE)

    assert found.spec == expected.spec
    np.testing.assert_array_equal(found.arrays.x_train, expected.arrays.x_train)
    assert note in "".join(found.description.notes)


def test_cells_hold_separators_quotes_and_line_breaks() -> None:
    cells = cycle('"a,b"', '"a\nb"', '"say ""a"""')

    _, spec, _ = column(cells)

    assert spec.categories == ("a\nb", "a,b", 'say "a"')


def test_columns_of_a_parquet_file_have_types() -> None:
    buffer = io.BytesIO()
    moment = np.datetime64("2024-01-01T12:00", "ns")
    table = pa.table(
        {
            "code": pa.array(cycle("01", "02", None)),  # a text stays a category
            "flag": pa.array(cycle(True, False)),
            "count": pa.array(cycle(1, None, 3), pa.int32()),
            "part": pa.array(cycle("a", "b")).dictionary_encode(),
            "when": pa.array([moment + np.timedelta64(k % 9, "D") for k in range(N)]),
            "never": pa.array([[10**18, 0, 86_400 * 10**6][k % 3] for k in range(N)]).cast(
                pa.timestamp("us")
            ),
            "target": Y,
        }
    )
    parquet.write_table(table, buffer)

    found = read(buffer.getvalue())

    kinds = {one.name: (one.kind, one.categories, one.missing) for one in found.spec.table.columns}
    assert kinds == {
        "code": ("category", ("01", "02"), True),
        "flag": ("category", ("false", "true"), False),
        "count": ("number", (), True),
        "part": ("category", ("a", "b"), False),
        "when": ("date", (), False),
        "never": ("date", (), True),
    }
    assert found.arrays.x_train[:, -3].min() == 19723.5
    assert found.description.warnings[0] == (
        "dates of column 'never' beyond the years 1 to 9999 count as missing: 20"
    )


@pytest.mark.parametrize(
    ("lists", "options", "task", "names"),
    [
        (cycle([0.5, 1.0], [2.5, 3.0], None), {}, "regression", ("at0", "at1")),
        (cycle([1, 9], [4, 7]), {"task": "regression"}, "regression", ("at0", "at1")),
        (cycle([0, 0, 1], [1, 0, 0], [0, 1, 0]), {}, "image-classification", ("0", "1", "2")),
        (cycle([True, True], [True, False], [False, True]), {}, "multi-label", ("0", "1")),
        (cycle([3, 12], [12], []), {}, "multi-label", ("12", "3")),
        (cycle([3, 12], [7, 12], [3, 7]), {"task": "multi-label"}, "multi-label", ("12", "3", "7")),
        (cycle([4], [6]), {}, "image-classification", ("4", "6")),
    ],
)
def test_a_target_of_lists_of_numbers_is_a_row_of_labels_or_names_them(
    lists: list[Any], options: dict[str, Any], task: str, names: tuple[str, ...]
) -> None:
    found = read(as_parquet(age=AGE, at=lists), target="at", **options)

    assert found.arrays.task == task
    assert (found.spec.target_names or found.spec.class_names)[: len(names)] == names
    assert found.spec.train_examples + found.spec.test_examples == sum(
        one is not None for one in lists
    )


@pytest.mark.parametrize(
    ("lists", "message"),
    [
        (cycle([0.5], [0.5, 1.0]), "'at' holds lists of 2 lengths; expected as many numbers"),
        (cycle([0.5, None], [0.5, 1.0]), "lists with 30 missing values; expected a number at each"),
    ],
)
def test_lists_of_numbers_with_gaps_are_refused_as_a_target(lists: Any, message: str) -> None:
    with pytest.raises(InvalidDataset, match=message):
        read(as_parquet(age=AGE, at=lists), target="at")


def test_bytes_in_a_parquet_file_are_texts_where_they_are_utf_8() -> None:
    letters = [b"a", "\u00e9".encode()]
    columns = {"letter": cycle(*letters), "same": cycle("a", "\u00e9"), "y": cycle(b"no", b"yes")}

    found = read(as_parquet(**columns), leave_out=("same",))

    assert found.spec.class_names == ("no", "yes")
    assert found.spec.table.columns[0].categories == ("a", "\u00e9")
    other = read(as_parquet(**columns), leave_out=("letter",))
    np.testing.assert_array_equal(found.arrays.x_train, other.arrays.x_train)
    with pytest.raises(InvalidDataset, match="column 'letter' is of type dictionary<values=binary"):
        read(as_parquet(letter=cycle(b"\xff", b"a"), y=columns["y"]))


def test_numbers_that_were_written_as_categories_are_categories() -> None:
    grades = pa.array(cycle(1, 20, 3)).dictionary_encode()
    found = read(as_parquet(age=AGE, grade=grades, y=pa.array(cycle(7, 10)).dictionary_encode()))

    assert found.spec.table.columns[1].categories == ("1", "20", "3")
    assert set(found.spec.class_names) == {"7", "10"}
    plain = io.BytesIO()
    parquet.write_table(pa.table({"a": AGE, "b": grades, "y": Y}), plain, store_schema=False)
    assert read(plain.getvalue()).spec.table.columns[1].kind == "number"


def test_nested_columns_of_a_parquet_file_are_refused_by_name() -> None:
    buffer = io.BytesIO()
    parquet.write_table(pa.table({"a": [{"b": k} for k in range(N)], "y": Y}), buffer)

    with pytest.raises(InvalidDataset, match="column 'a' is of type struct<"):
        read(buffer.getvalue())


# --- what is refused --------------------------------------------------------------------------


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_a_row_that_names_the_separator_is_no_row_of_names(separator: str, ending: str) -> None:
    """Spreadsheets write and read it."""
    table = f"sep={separator}\n" + text({"a,b": AGE, "y": Y}, "\t").replace("\t", separator)
    if separator == ",":
        table = table.replace("a,b", "ab")

    found = read(table.replace("\n", ending))

    assert found.description.columns[1].name in ("a,b", "ab")
    both = np.concatenate([found.arrays.x_train, found.arrays.x_test])
    np.testing.assert_allclose(np.sort(both[:, 0]), np.sort(AGE), rtol=1e-6)


HEADER = "a,b,y\n"
ROWS = "".join(f"{k * 7 % 31},{k % 5}.5,{k % 2}\n" for k in range(40))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("\n\n", "the file is empty"),
        ((HEADER + ROWS).encode("utf-32"), "the file is UTF-32 text; expected UTF-8"),
        (HEADER, "a row of names and no rows of values"),
        (ROWS, "the first row holds numbers ('0', '0.5', '0'), not the names of columns"),
        ("a,b,b,y\n1,2,3,0\n", "columns have the same name: 'b'"),
        ("a b y\n1 2 0\n", "found one column, 'a b y'; expected columns separated by commas"),
        (HEADER + ROWS + "1,2\n", "row 42 has 2 cells; expected 3, as in the row of names"),
        (HEADER + ROWS + "1,2,3,4\n", "separated by commas (a cell that holds one stands"),
        (HEADER + ROWS + '1, "2,5", 3\n', "a blank stands before a double quote"),
        (HEADER + '1,"2,3\n' + ROWS, "a double quote in it may never be closed"),
        ("a,b,kind\n" + ROWS, "Give --target COLUMN (target in REST) with one of 'a', 'b', 'kind'"),
        ("y,b,label\n" + ROWS, "the table has several ('y', 'label')"),
        (HEADER + ROWS.replace(",0\n", ",1\n"), "found 1 class(es)"),
        (HEADER + "1,2,\n1,2,\n", "the target column 'y' is empty"),
        (HEADER + "".join(f"{k},{k},{k}.5\n" for k in range(9)), "expected at least 10 for reg"),
        (HEADER + "".join(f"{k},{k},{k}\n" for k in range(99)), "give the task regression (--task"),
        ("a,b,y\n" + "1,2,0\n1,2,1\n" * 9, "no column is left to learn from (a: it has the same"),
        (",".join(map(str, range(MAX_COLUMNS + 1))) + "\n1\n", "expected at most 2,000"),
        (HEADER + ROWS + "1e200,2,1\n", "the cells of column 'a' hold values up to 1e+200"),
        ("a\x7f,b,y\n" + ROWS, "a column has the name 'a\\x7f'"),
        (b"a,b,y\n\x81\x8d,1,2\n", "neither UTF-8 nor Windows-1252"),
        ("a,b,y\n1,2,0\n1,3,1\n" * 2, "expected at least 3: 2 to train on and one to test on"),
    ],
)  # fmt: skip
def test_a_bad_table_is_answered_with_what_to_do(data: str | bytes, message: str) -> None:
    with pytest.raises(InvalidDataset) as caught:
        read(data)

    assert message in str(caught.value)
    assert str(caught.value).isprintable()


def test_a_target_that_is_not_there_is_answered_with_the_columns() -> None:
    with pytest.raises(InvalidDataset, match="no column 'z' for the target; it has 'a', 'b', 'y'"):
        read(HEADER + ROWS, target="z")


def test_rows_without_a_target_are_left_out_with_a_warning() -> None:
    found = read(HEADER + ROWS + "1,2,\n3,4,NA\n")

    assert found.spec.train_examples + found.spec.test_examples == 40
    assert found.description.warnings[0] == (
        "rows without a value in the target column 'y' are left out: 2"
    )


def test_the_cells_of_a_large_table_are_counted_as_they_are_read() -> None:
    with pytest.raises(InvalidDataset, match=r"more than 5,000,000 rows or 30,000 bytes"):
        intake.read(io.BytesIO((HEADER + ",,\n" * 6_000).encode()), ReadLimits(bytes=30_000))


def test_a_large_table_is_refused_before_it_fills_the_memory() -> None:
    with pytest.raises(InvalidDataset, match="expected at most 100"):
        intake.read(io.BytesIO((HEADER + ROWS).encode()), ReadLimits(bytes=100))
    wide = {f"c{k}": AGE for k in range(20)} | {"y": Y}
    with pytest.raises(InvalidDataset, match=r"17 features or more, 8,160 bytes in 60 rows"):
        intake.read(io.BytesIO(text(wide).encode()), ReadLimits(bytes=16_000))


# --- numbers to predict -----------------------------------------------------------------------

PRICES = [f"{1000 + 3.25 * k}" for k in range(N)]


def test_a_target_with_fractions_is_a_number_to_predict() -> None:
    found = read({"age": AGE, "kind": cycle("a", "b"), "price": PRICES}, target="price")

    assert found.arrays.task == found.description.task == "regression"
    assert (found.spec.target_names, found.spec.outputs) == (("price",), 1)
    assert found.spec.table.target == "price"
    y = np.concatenate([found.arrays.y_train, found.arrays.y_test])
    np.testing.assert_array_equal(np.sort(y[:, 0]), np.array(PRICES, float))
    target, *_ = found.description.columns
    assert (target.name, target.taken_as, target.reason) == (
        "price", "target", "a number to predict"
    )  # fmt: skip
    assert found.description.summary == (
        "60 rows of 3 columns: the target 'price', 1 number, 1 category; they become 3 features",
        "1 number to predict: price from 1000 to 1191.8, mean 1095.9, standard deviation 56.3",
        "50 examples to train on, 10 to test on (a fifth of all, set aside at random)",
        "task regression: the labels have fractions, so they are numbers to predict",
    )


@pytest.mark.parametrize(
    ("prices", "task", "found_task", "warning"),
    [
        (cycle(*range(10)), None, "image-classification", ""),
        (cycle(*range(10)), "regression", "regression", ""),
        (cycle("1.5", "2"), None, "regression", ""),
        (cycle("1.5", "2"), "image-classification", "image-classification", ""),
        ([*PRICES[:-1], "sold"], None, "regression", "that are no numbers and count as missing: 1"),
        ([*PRICES[:-1], ""], "regression", "regression", "'price' are left out: 1"),
        (cycle("2024-01-01", "2024-01-02T12:00"), None, "image-classification", ""),
    ],
)
def test_the_target_or_the_person_says_what_is_learned(
    prices: list[Any], task: str | None, found_task: str, warning: str
) -> None:
    found = read({"age": AGE, "price": prices}, target="price", task=task)

    assert found.arrays.task == found_task
    assert warning in "".join(found.description.warnings)


@pytest.mark.parametrize("prices", [cycle("low", "high"), cycle("2024-01-01", "2024-01-02")])
def test_a_target_without_numbers_cannot_be_predicted_as_one(prices: list[str]) -> None:
    with pytest.raises(InvalidDataset, match=r"'price' holds (texts|dates).*expected numbers"):
        read({"age": AGE, "price": prices}, target="price", task="regression")


# --- parts ------------------------------------------------------------------------------------


def in_parts(words: list[str], name: str = "split", **options: Any) -> Intake:
    """A table with the number of each row, and a column that says which part it is for."""
    numbers = np.arange(N) + 0.5
    return read({name: words, "number": numbers, "target": Y}, **options)


@pytest.mark.parametrize("name", ["split", "Set", "partition", "data set"])
def test_a_column_says_which_rows_are_to_train_and_to_test_on(name):
    words = cycle("train", "TEST", "train", "val", "train")
    found = in_parts(words, name)
    arrays = found.arrays
    assert set(arrays.x_test.ravel()) == {i + 0.5 for i in range(N) if words[i] == "TEST"}
    given = arrays.x_train[-(N // 5) :].ravel()  # those to validate on are the last
    assert set(given) == {i + 0.5 for i in range(N) if words[i] == "val"}
    assert found.spec.split.validation is SplitKind.GIVEN
    assert found.spec.split.test is SplitKind.GIVEN
    assert [one.name for one in found.spec.table.columns] == ["number"]
    assert any(
        f"column '{name}' says: 36 train, 12 validation, 12 test" in note
        for note in found.description.notes
    )


@pytest.mark.parametrize("words", [cycle("train", "spare"), cycle("test", "val"), cycle("a", "b")])
def test_a_column_of_other_words_is_a_feature(words):
    found = in_parts(words)
    assert [one.name for one in found.spec.table.columns] == ["split", "number"]
    assert found.spec.split.test is not SplitKind.GIVEN


def test_a_column_that_is_given_another_use_divides_nothing():
    table = {"split": cycle("train", "test"), "number": AGE, "target": Y}
    found = read(table, target="split")
    assert found.spec.class_names == ("test", "train")
    assert found.spec.split.test is not SplitKind.GIVEN


def test_a_part_without_labels_is_an_error():
    rows = {"split": cycle("train", "test"), "number": AGE, "target": cycle("yes", "")}
    with pytest.raises(InvalidDataset, match="no test row has a value in the target column"):
        read(rows)


@settings(max_examples=200)
@given(
    moment=st.datetimes(datetime(2, 1, 1), datetime(9998, 1, 1)),
    minutes=st.none() | st.integers(-23 * 60, 23 * 60),
    style=st.sampled_from(["{:%z}", "{:%:z}", "Z"]),
    mark=st.sampled_from("T "),
    nanoseconds=st.sampled_from(["", "0", "789"]),  # as pandas writes them
)
def test_times_with_a_zone_are_those_of_utc(
    moment: datetime, minutes: int | None, style: str, mark: str, nanoseconds: str
) -> None:
    """As Python's own parser and arithmetic have it; `predict.py` of an export does the same."""
    zone = UTC if minutes is None else timezone(timedelta(minutes=minutes))
    local = moment.replace(tzinfo=UTC if style == "Z" else zone)
    hours, rest = divmod(abs(int((local.utcoffset() or timedelta()).total_seconds()) // 60), 60)
    sign = "-" if (local.utcoffset() or timedelta()) < timedelta() else "+"
    suffix = {
        "Z": "Z", "{:%z}": f"{sign}{hours:02}{rest:02}", "{:%:z}": f"{sign}{hours:02}:{rest:02}"
    }[style]  # fmt: skip
    text = f"{moment:%Y-%m-%d}".rjust(10, "0") + mark + f"{moment:%H:%M:%S.%f}"
    text += nanoseconds + suffix

    found = column_of(pa.chunked_array([[text]]), "c")

    expected = (local - datetime(1970, 1, 1, tzinfo=UTC)) / timedelta(days=1)
    assert isinstance(found, Numbers)
    assert found.is_date
    assert found.values[0] == pytest.approx(expected, rel=1e-12)
    assert _days(text) == found.values[0]


# --- numbers with marks -----------------------------------------------------------------------

PEOPLE = [*range(100, 130), *(1_016 + 997 * k for k in range(30))]


def doubts(people: list[str], separator: str) -> list[str]:
    found = read(text({"area": AGE, "people": people, "target": Y}, separator))
    return [one for one in found.description.warnings if "thousands" in one]


@pytest.mark.parametrize("mark", [".", ","])
def test_marks_that_may_stand_between_thousands_are_warned_about(mark: str) -> None:
    """Read as decimal points they would make 1,016 people fewer than 100."""
    (warning,) = doubts([f"{count:,}".replace(",", mark) for count in PEOPLE], ";")

    assert warning.startswith(
        f"column 'people' has whole numbers up to three digits, and others as '1{mark}016', read "
        "as 1.016"
    )


@pytest.mark.parametrize(
    "people",
    [
        [f"{count / 1000:.3f}" for count in PEOPLE],
        [f"{count / 8:g}" for count in PEOPLE],
        [f"{count}" for count in PEOPLE],
        [f"{1 + k / 1000:.3f}" if k % 2 else "0" for k in range(N)],
    ],
    ids=["three decimals", "eighths", "no mark", "decimals and zeros"],
)
def test_decimals_are_not_taken_for_thousands(people: list[str]) -> None:
    assert doubts(people, ";") == []


MARKED = {
    "currency": ([f"${1000 + 7 * k:,}" for k in range(N)], "further marks, as '$1,000'"),
    "German": ([f"{k}.048,5" for k in range(1, N + 1)], "further marks, as '1.048,5'"),
    "comma": ([f"{k},5" for k in range(N)], "further marks, as '0,5'"),
    "gaps": (["-" if k % 10 == 0 else f"{k}.5" for k in range(N)], "others are not, as '-'"),
}


@pytest.mark.parametrize("case", MARKED)
@pytest.mark.parametrize("task", [None, "regression"])
def test_a_target_of_numbers_with_marks_says_so(case: str, task: str | None) -> None:
    cells, message = MARKED[case]
    table = {"age": AGE, "target": [f'"{cell}"' for cell in cells]}

    with pytest.raises(InvalidDataset, match=re.escape(message)):
        read(table, task=task)


def test_lists_of_numbered_labels_are_no_numbers_with_marks() -> None:
    sets = [[k for k in range(6) if number >> k & 1] or [0] for number in range(N)]
    cells = [f'"{",".join(map(str, one))}"' for one in sets]

    assert read({"age": AGE, "target": cells}, task="multi-label").spec.classes == 6


def test_different_whole_numbers_are_no_categories_and_no_classes() -> None:
    facts, _, _ = column(list(range(1000, 1000 + 7 * N, 7)), categories=("c",))
    assert (facts.taken_as, facts.reason[:16]) == ("left out", "it has 48 differ")

    with pytest.raises(InvalidDataset, match="has 1 example"):
        read({"age": AGE, "target": range(N)}, task="image-classification")


def test_dates_as_the_target_are_no_classes() -> None:
    days = [f"2024-{1 + k // 28:02}-{1 + k % 28:02}" for k in range(N)]

    with pytest.raises(InvalidDataset, match="60 different texts in 60 rows: it holds dates"):
        read({"age": AGE, "target": days})


@pytest.mark.parametrize("mark", ["None", "NA"])
def test_a_class_whose_name_means_a_missing_value_is_named(mark: str) -> None:
    found = read({"age": AGE, "target": cycle(mark, "mild", "severe")})

    assert (
        "rows without a value in the target column 'target' are left out: 20, those with "
        f"'{mark}' among them: if this is a class, rename it"
    ) in found.description.warnings


# --- rows that belong together ----------------------------------------------------------------

SERIES = np.random.default_rng(1).integers(0, 3, 40)  # the class of each
STEPS = 5
STEP_OF = np.tile(np.arange(STEPS), len(SERIES)).tolist()


def long_format(names: list[Any], **more: Any) -> dict[str, list[Any]]:
    """A table with a row for each step of 40 series; a name for each series."""
    columns = {name: np.repeat(values, STEPS).tolist() for name, values in more.items()}
    return {
        "series": np.repeat(names, STEPS).tolist(),
        "step": STEP_OF,
        "value": np.random.default_rng(2).normal(size=STEPS * len(names)).round(2).tolist(),
        "target": np.repeat(SERIES, STEPS).tolist(),
    } | columns


def about_rows(found: Intake) -> list[str]:
    return [one for one in found.description.warnings if one.startswith("all rows with one value")]


@pytest.mark.parametrize(
    "names", [[f"s{k}" for k in range(40)], list(range(40)), list(range(100, 20_000, 500))]
)
@pytest.mark.parametrize("task", [None, "regression"])
def test_rows_that_share_a_name_and_a_label_are_warned_about(
    names: list[Any], task: str | None
) -> None:
    (warning,) = about_rows(read(long_format(names), task=task))

    assert warning.startswith(
        "all rows with one value of column 'series' have the same label: 40 values in 200 rows"
    )
    assert "give it as --group" in warning
    assert about_rows(read(long_format(names), group="series", task=task)) == []


def test_a_cell_without_a_name_hides_no_shared_label() -> None:
    table = long_format([f"s{k}" for k in range(40)])
    table["series"][3::40] = [""] * 5

    assert "40 values in 195 rows" in about_rows(read(table))[0]


@pytest.mark.parametrize(
    "columns",
    [
        {"number": (np.arange(200) // 5).tolist(), "target": (np.arange(200) // 70).tolist()},
        {"colour": [f"c{k % 5}" for k in range(200)], "target": [k % 5 for k in range(200)]},
        {
            "user": [f"u{max(k, 9)}" for k in range(200)],
            "target": [k // 10 % 2 for k in range(200)],
        },
        {"size": [k // 5 / 4 for k in range(200)], "target": [k // 5 % 2 for k in range(200)]},
        {"name": [f"n{k // 5}" for k in range(200)], "target": [k % 2 for k in range(200)]},
    ],
    ids=["a threshold", "few categories", "few repetitions", "fractions", "different labels"],
)
def test_a_column_from_which_labels_may_follow_is_not_warned_about(columns: Any) -> None:
    table = {"age": np.random.default_rng(0).normal(40, 9, 200).tolist()} | columns

    assert about_rows(read(table)) == []


# --- columns that say the label ---------------------------------------------------------------


def about_copies(found: Intake) -> list[str]:
    return [one for one in found.description.warnings if "not known before the label" in one]


def test_a_code_of_the_classes_is_warned_about() -> None:
    table = {"age": AGE, "code": cycle("N", "Y"), "number": cycle(7, 3), "target": Y}
    table["code"][4] = ""

    assert about_copies(read(table)) == [
        "each class has one value of its own in columns 'code', 'number': if it is not known "
        "before the label, leave it out by --leave-out COLUMN (leave_out in REST and Python), "
        "since the test result will be too good"
    ]


def test_the_number_to_predict_in_another_unit_is_warned_about() -> None:
    celsius = np.random.default_rng(3).normal(20, 5, N)
    table = {"age": AGE, "warm": (celsius * 1.8 + 32).round(2).tolist(), "target": celsius.tolist()}

    (warning,) = about_copies(read(table))

    assert warning.startswith("the number to predict is that of column 'warm' in another unit: ")


@pytest.mark.parametrize(
    "cells",
    [cycle(1, 2, 3, 4), [*cycle("a", "b")[:-1], "a"], [""] * 35 + cycle("b", "a")[35:]],
    ids=["several values of a class", "one other row", "mostly missing"],
)
def test_a_column_that_helps_to_predict_is_not_warned_about(cells: list[Any]) -> None:
    assert about_copies(read({"age": AGE, "c": cells, "target": Y})) == []


def test_numbers_that_nearly_give_the_target_are_not_warned_about() -> None:
    target = np.random.default_rng(4).normal(size=N)
    near = target + 0.01 * np.random.default_rng(5).normal(size=N)

    assert about_copies(read({"near": near.tolist(), "target": target.tolist()})) == []
