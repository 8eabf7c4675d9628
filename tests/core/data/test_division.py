"""Files are divided as people say: by their own parts, by groups, by time, with their seed."""

import io
import zipfile
from datetime import date, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.data import intake
from core.data.datasets import Arrays, decode, encode
from core.data.files import ReadLimits
from core.data.formats import ReadOptions
from core.data.intake import Intake
from core.errors import InvalidDataset
from core.protocol.contracts.datasets import SplitKind, SplitSpec

N = 60
X = np.arange(N, dtype=np.float64)[:, None] + np.array([0.0, 0.25])  # tells the row of an example
Y = np.arange(N) % 2
DAYS = [str(date(2024, 1, 1) + timedelta(days=k // 2)) for k in range(N)]


def read(file: bytes, **options: Any) -> Intake:
    return intake.read(io.BytesIO(file), ReadLimits(), ReadOptions(**options))


def table(rows: Any = range(N), **columns: Any) -> bytes:
    """Rows of a table: x says which row it is; patients have four rows, days two."""
    lines = [f"{k}.5,p{k // 4},{DAYS[k]},{'ab'[k % 2]}" for k in rows]
    return "\n".join(["x,patient,day,y", *lines]).encode()


def arrays(**more: Any) -> bytes:
    file = io.BytesIO()
    np.savez(file, **{"x": X, "y": Y} | more)
    return file.getvalue()


def archive(**files: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as packed:
        for name, content in files.items():
            packed.writestr(name.replace("__", "/") + ".csv", content)
    return file.getvalue()


def rows_of(found: Arrays) -> tuple[list[int], list[int], list[int]]:
    """The rows that a search trains on, validates on and tests on."""
    train, validation = found.rule.validation(found.y_train, 0.2, 7)
    x = found.x_train[:, 0].astype(int)
    return sorted(x[train]), sorted(x[validation]), sorted(found.x_test[:, 0].astype(int))


def stored(found: Arrays, tmp_path: Any) -> Arrays:
    path = tmp_path / "data.safetensors"
    path.write_bytes(encode(found))
    return decode(path)


# --- own splits -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "file",
    [
        archive(train=table(range(30)), val=table(range(30, 40)), test=table(range(40, 60))),
        archive(d__Train__a=table(range(30)), d__dev__a=table(range(30, 40)),
                d__test__a=table(range(40, 60))),
        arrays(x_val=X[30:40], y_val=Y[30:40], x=X[:30], y=Y[:30], X_test=X[40:], y_test=Y[40:]),
    ],
)  # fmt: skip
def test_own_parts_are_used_as_they_are(file: bytes, tmp_path: Any) -> None:
    found = read(file)

    expected = ([*range(30)], [*range(30, 40)], [*range(40, 60)])
    assert rows_of(found.arrays) == rows_of(stored(found.arrays, tmp_path)) == expected
    assert (found.spec.train_examples, found.spec.test_examples) == (40, 20)
    assert found.spec.split == SplitSpec(
        validation=SplitKind.GIVEN, test=SplitKind.GIVEN, validation_examples=10
    )
    splits = [(one.name, one.examples, one.given) for one in found.description.splits]
    assert splits == [("train", 30, True), ("validation", 10, True), ("test", 20, True)]
    sizes = "30 examples to train on, 10 to validate on, 20 to test on (as in the files)"
    assert sizes in found.description.summary
    assert found.description.notes[-1] == (
        "each search validates on the 10 examples of the given validation split; its final fit "
        "trains on most of them, too, and holds the others out to compare the networks on"
    )


def test_the_rules_of_columns_are_learned_from_training_rows_alone() -> None:
    header, *lines = table().decode().splitlines()
    lines = [line.replace(f"p{k // 4}", "xyz"[k % 3]) for k, line in enumerate(lines)]
    train = [line if k % 6 else f",{line.split(',', 1)[1]}" for k, line in enumerate(lines[:40])]
    other = ["9e9,new,2024-01-01,a"] * 12
    files = {"train": "\n".join([header, *train]), "val": "\n".join([header, *other])}
    files["test"] = "\n".join([header, *other])

    found = read(archive(**{name: text.encode() for name, text in files.items()}))

    x = next(one for one in found.spec.table.columns if one.name == "x")
    present = [k + 0.5 for k in range(40) if k % 6]
    assert (x.fill, x.missing) == (np.median(present), True)
    patient = next(one for one in found.spec.table.columns if one.name == "patient")
    assert patient.categories == ("x", "y", "z")


def test_a_test_split_is_set_aside_from_training_examples_and_not_from_those_to_validate_on() -> (
    None
):
    found = read(archive(train=table(range(40)), val=table(range(40, 60))))

    train, validation, test = rows_of(found.arrays)
    assert validation == [*range(40, 60)]
    assert sorted(train + test) == [*range(40)]
    assert len(test) == 8


def test_examples_that_leak_into_the_validation_split_are_counted() -> None:
    found = read(archive(train=table(range(40)), val=table(range(35, 60))))

    assert found.description.repetitions.validation_leaked in range(1, 6)
    assert "validation examples also occur in training" in " ".join(found.description.warnings)


# --- groups and times -------------------------------------------------------------------------


@settings(max_examples=25)
@given(
    groups=st.lists(st.integers(0, 11), min_size=N, max_size=N),
    as_texts=st.booleans(),
    seed=st.integers(0, 99),
)
def test_no_group_is_in_two_splits(groups: list[int], as_texts: bool, seed: int) -> None:
    names = np.array([f"g{one}" if as_texts else one for one in groups])

    try:
        found = read(arrays(groups=names), split_seed=seed)
    except InvalidDataset:  # too few groups, or all of a class in one
        assert len(set(groups)) < 6
        return

    train, validation, test = ({groups[k] for k in part} for part in rows_of(found.arrays))
    assert len(train) + len(validation) + len(test) == len(set(groups))
    assert all((train, validation, test))
    assert train | validation | test == set(groups)
    assert [one.groups for one in found.description.splits] == [
        len(train | validation), len(test)
    ]  # fmt: skip


def test_a_column_of_a_table_keeps_groups_apart_and_is_no_feature(tmp_path: Any) -> None:
    found = read(table(), group="patient")

    parts = [{row // 4 for row in part} for part in rows_of(stored(found.arrays, tmp_path))]
    assert sum(map(len, parts)) == len(set.union(*parts)) == 15
    assert [one.name for one in found.spec.table.columns] == ["x", "day"]
    assert found.spec.split == SplitSpec(
        validation=SplitKind.GROUP, test=SplitKind.GROUP, column="patient", seed=20181
    )
    assert (
        "48 examples to train on (12 groups), 12 to test on (3 groups) (a fifth by column "
        "'patient', set aside at random: no group is in two splits)"
    ) in found.description.summary
    column = next(one for one in found.description.columns if one.name == "patient")
    assert (column.taken_as, column.reason) == ("left out", "its 15 groups divide the rows")
    assert found.description.warnings == ()


@pytest.mark.parametrize(
    ("file", "options", "since"),
    [
        (table(), {"time": "day"}, "2024-01-25"),
        (table([*range(N)][::-1]), {"time": "day"}, "2024-01-25"),
        (arrays(time=np.array(DAYS, "datetime64[D]")), {}, "2024-01-25"),
        (arrays(time=np.arange(N) // 2 / 4), {}, "6"),
        (arrays(time=np.array([f"{day}T12:30" for day in DAYS], "M8[m]")), {}, "2024-01-25T12:30"),
    ],
)
def test_the_latest_examples_are_for_the_test_and_the_latest_of_the_others_for_validation(
    file: bytes, options: dict[str, str], since: str, tmp_path: Any
) -> None:
    found = read(file, **options)

    for one in (found.arrays, stored(found.arrays, tmp_path)):
        assert rows_of(one) == ([*range(38)], [*range(38, 48)], [*range(48, 60)])
    split = found.spec.split
    assert (split.validation, split.test, split.since, split.seed) == (
        SplitKind.TIME, SplitKind.TIME, since, None
    )  # fmt: skip
    source = "column 'day'" if options else "the array time"
    assert f"(the latest fifth by {source}, from {since} on)" in found.description.summary[2]


def test_the_seed_of_the_test_split_is_the_persons() -> None:
    usual, own, again = (read(table(), split_seed=seed) for seed in (None, 5, 5))

    assert rows_of(own.arrays) == rows_of(again.arrays) != rows_of(usual.arrays)
    assert (usual.spec.split.seed, own.spec.split.seed) == (20181, 5)
    assert "(a fifth of each class, set aside at random with seed 5)" in own.description.summary[2]


@pytest.mark.parametrize(
    ("file", "options", "warning"),
    [
        (archive(train=table(range(34)), test=table(range(34, 60))), {"group": "patient"},
         "groups of column 'patient' in the test and in training as well: 1; the test result"),
        (archive(train=table(range(40)), val=table(range(38, 50)), test=table(range(50, 60))),
         {"group": "patient"}, "'patient' in validation and in training as well: 1; the validati"),
        (archive(train=table(range(30, 60)), test=table(range(30))), {"time": "day"},
         "in the test that are not later, by column 'day', than all in training: 30 of 30"),
        (arrays(groups=np.arange(N)), {}, "each example has a group of its own in the array group"),
        (arrays(groups=np.arange(N) // 20), {}, "the test split has 33% of the examples, not a fi"),
        (arrays(time=np.arange(N), y=np.digitize(np.arange(N), [31, 43])), {},
         "class 2 is in the latest examples only: a search may validate on it without"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_groups_and_times_is_a_warning(
    file: bytes, options: dict[str, str], warning: str
) -> None:
    assert warning in "\n".join(read(file, **options).description.warnings)


@pytest.mark.parametrize(
    ("file", "options", "message"),
    [
        (table(), {"group": "nobody"}, "the column 'nobody' for the groups is not in the table"),
        (table(), {"time": "y"}, "the column 'y' for the times is the target; expected one of 'x'"),
        (table(), {"group": "patient", "time": "day"}, "a group and a time column; expected one"),
        (table(), {"time": "patient"}, "for the times holds texts such as 'p0'; expected dates"),
        (table(range(4)) + table(range(4, N)).replace(b"x,patient,day,y", b"").replace(b"p", b""),
         {"time": "patient"}, "column 'patient'"),
        (table().replace(b"p3", b""), {"group": "patient"}, "has no group in 4 of 60 rows;"),
        (table(range(8)) + table(range(8)).replace(b"x,patient,day,y", b""), {"group": "patient"},
         "column 'patient' has 2 groups among the training examples; expected at least 3: one to"),
        (arrays(groups=np.zeros(N)), {}, "the array groups is of type float64"),
        (arrays(groups=np.zeros(N, int)), {}, "has 1 group among the training examples"),
        (arrays(groups=np.arange(N - 1)), {}, "found 60 train examples and 59 values of the array"),
        (arrays(time=np.full(N, np.nan)), {}, "the array time has no value in 60 of 60 examples"),
        (arrays(time=np.arange(N) // 30), {}, "has 2 different times among the training example"),
        (arrays(time=np.arange(N), groups=np.arange(N)), {}, "found groups and times; expected o"),
        (arrays(time=np.arange(N), y=np.arange(N) > 50), {}, "leaves 0 training examples of class"),
        (arrays(groups=Y + Y * (np.arange(N) // 30)), {}, "a search could train on one class"),
        (arrays(groups_test=np.arange(N)), {}, "groups or times are for test without examples"),
        (arrays(), {"group": "patient"}, "expected an array groups or time beside x and y"),
        (archive(train=table(), test=b"x,patient,day\n1,p1,2024-01-01\n"), {}, "'test.csv' has no "
         "column 'y'; expected the same columns in all files, the target among them"),
        (archive(train=table(), test=table().replace(b",", b";")), {}, "different separators"),
        (archive(train=table(), test=b"x\n1\n2\n"), {}, "'test.csv': found one column, 'x'; ex"),
        (archive(train=table(), sample=table()), {}, "found 2 tables ('sample.csv', 'train.csv'); "
         "expected one, or their parts by name, as in train.csv, validation.csv and test.csv"),
        (archive(val=table(), test=table()), {}, "tables for test, validation and none for train"),
        (archive(train=table(), test=b"x,patient,day,y\n1,p1,2024-01-01,\n"), {}, "no test row has "
         "a value in the target column 'y'"),
        (archive(train=table(), val=table([1, 2]).replace(b",a", b",new")), {}, "'new' does not"),
    ],
)  # fmt: skip
def test_splits_that_cannot_be_made_are_refused_with_what_to_do(
    file: bytes, options: dict[str, str], message: str
) -> None:
    with pytest.raises(InvalidDataset) as caught:
        read(file, **options)

    assert message in str(caught.value)
    assert str(caught.value).isprintable()


def test_the_final_fit_keeps_the_groups_of_a_given_validation_split_apart(tmp_path: Any) -> None:
    groups = np.arange(N) // 5
    parts = {"x": X[:40], "y": Y[:40], "x_val": X[40:], "y_val": Y[40:]}
    own = stored(read(arrays(**parts, groups=groups[:40], groups_val=groups[40:])).arrays, tmp_path)
    _, validation = own.rule.validation(own.y_train, 0.2, 7)
    assert own.x_train[validation, 0].astype(int).tolist() == [*range(40, N)]

    training, held = own.rule.final(own.y_train, validation, 0.3, 7)

    group_of = own.x_train[:, 0].astype(int) // 5
    assert 0 < len(held) < len(validation)
    assert not {*group_of[training]} & {*group_of[held]}


def test_groups_and_times_mean_the_same_in_all_parts() -> None:
    parts = {"x": X[:40], "y": Y[:40], "x_test": X[40:], "y_test": Y[40:]}
    large = 2**60 + np.arange(N, dtype=np.int64) // 4
    exact = {"groups_train": large[:40].astype(np.uint64), "groups_test": large[40:]}
    splits = read(arrays(**parts, **exact)).description.splits
    assert {one.name: one.groups for one in splits} == {"train": 10, "test": 5}
    days = np.arange(N).astype("datetime64[D]")
    with pytest.raises(InvalidDataset, match="holds dates and numbers; expected the same"):
        read(arrays(**parts, time_train=days[:40], time_test=np.arange(20)))


@pytest.mark.parametrize("least", [3, 4, 5])
def test_rare_classes_are_learned_and_warned_of(least: int, tmp_path: Any) -> None:
    """Known sets of signals have classes of two training examples."""
    numbers = np.repeat([0, 1, 2], [least, 20, N - 20 - least])
    found = read(arrays(y=np.array(["owl", "cat", "dog"])[numbers]))

    kept = stored(found.arrays, tmp_path)
    counts = np.bincount(kept.y_train, minlength=3), np.bincount(kept.y_test, minlength=3)
    rare = kept.class_names.index("owl")
    assert (counts[0][rare], counts[1][rare]) == (least - 1, 1)
    training, validation = kept.rule.validation(kept.y_train, 0.2, 0)
    assert rare in kept.y_train[training]
    assert rare in kept.y_train[validation]
    said = f"fewer than 4 training examples of 1 of 3 classes ({least - 1} of class 'owl')"
    assert any(said in one for one in found.description.warnings) == (least < 5)
