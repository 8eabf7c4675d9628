"""Several labels for each example: recognised, refused where they are none, split by the rarest."""

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.data.datasets import decode, encode, stratified_test_split
from core.data.files import ReadLimits
from core.data.formats.abstract import ReadOptions
from core.data.intake import Intake, read
from core.data.splits import strata, validation_split
from core.errors import InvalidDataset

LIMITS = ReadLimits(bytes=2**20)


def sets(n: int = 60, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return (rng.random((n, 3)) < (0.5, 0.4, 0.2)).astype(np.int64)


def understood(
    y: np.ndarray, task: str | None = None, names: tuple[str, ...] | None = None
) -> Intake:
    x = np.random.default_rng(1).integers(0, 9, (len(y), 6, 4)).astype(np.uint8)
    return stored(task, x=x, y=y, **({} if names is None else {"class_names": np.array(names)}))


def stored(task: str | None, **arrays: np.ndarray) -> Intake:
    file = io.BytesIO()
    np.savez(file, **arrays)
    return read(file, LIMITS, ReadOptions(task=task))


@pytest.mark.parametrize("kind", [bool, np.uint8, np.int64, np.float64])
def test_rows_without_a_single_one_are_several_labels(kind, tmp_path):
    found = understood(sets().astype(kind), names=("red", "green", "blue"))

    assert (found.description.task, found.spec.multi_label) == ("multi-label", True)
    assert (found.spec.classes, found.spec.class_names) == (3, ("red", "green", "blue"))
    assert found.arrays.y_train.dtype == np.uint8
    assert "3 labels in" in found.description.summary[1]
    (tmp_path / "stored").write_bytes(encode(found.arrays))
    again = decode(tmp_path / "stored")
    assert again.task == "multi-label"
    np.testing.assert_array_equal(again.y_train, found.arrays.y_train)


def test_one_hot_rows_are_single_labels_unless_the_task_is_given():
    one_hot = np.eye(3, dtype=np.int64)[np.arange(60) % 3]

    assert understood(one_hot).description.task == "image-classification"
    assert understood(one_hot, "multi-label").description.task == "multi-label"


@pytest.mark.parametrize(
    ("y", "names", "message"),
    [
        (np.arange(60) % 3, None, r"train labels have shape \(60,\); expected \(N, labels\)"),
        (sets() * 2, None, "not all 0 or 1; expected a matrix of 0 and 1"),
        (sets(), ("a", "b"), "class_names has 2 names, and labels have 3 columns"),
        (sets() | [0, 1, 0], None, "label '1' is 1 in 60 of 60 example"),
        (sets() & [1, 1, 0], None, r"label '2' is 1 in 0 of 60 example\(s\); expected at least 3"),
    ],
)
def test_other_labels_are_refused_with_the_reason(y, names, message):
    with pytest.raises(InvalidDataset, match=message):
        understood(y, "multi-label", names)


def test_a_rare_label_is_named_with_what_helps():
    y = sets(400)
    y[:, 2] = np.arange(400) < 10
    (warning,) = [one for one in understood(y).description.warnings if "label" in one]
    assert "less than 5% of the training examples have the label '2' (8): consider" in warning


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 9999), rare=st.integers(10, 20))
def test_the_rarest_label_is_in_each_part_of_a_split(seed, rare):
    y = sets(200, seed).astype(np.uint8)
    y[:, 2] = np.random.default_rng(seed).permutation(200) < rare
    train, test = stratified_test_split(strata(y), 0.2, 0)
    chosen, held_out = validation_split(strata(y[train]), 0.2, 0)

    for part in (y[test], y[train][chosen], y[train][held_out]):
        share = part[:, 2].sum() / rare
        assert part[:, 2].any()
        assert abs(share - len(part) / 200) < 0.12


def table(
    targets: str, task: str | None, group: str | None = None, **columns: list[object]
) -> Intake:
    cells = {"size": [str(k % 7) for k in range(60)], **columns}
    lines = [
        ",".join(cells),
        *(",".join(map(str, row)) for row in zip(*cells.values(), strict=True)),
    ]
    options = ReadOptions(target=targets, task=task, group=group)
    return read(io.BytesIO("\n".join(lines).encode()), LIMITS, options)


def test_several_columns_of_truth_values_are_labels_of_a_table():
    red = ["yes" if k % 2 else "no" for k in range(60)]
    blue = [1 if k % 3 else 0 for k in range(59)] + [""]

    found = table("red, blue", None, red=red, blue=blue)

    assert found.description.task == "multi-label"
    assert found.spec.class_names == ("red", "blue")
    assert found.spec.table.target == "red, blue"
    assert [one.name for one in found.spec.table.columns] == ["size"]
    kinds = {one.name: one.taken_as for one in found.description.columns}
    assert kinds == {"red": "target", "blue": "target", "size": "number"}
    assert len(found.arrays.y_train) + len(found.arrays.y_test) == 59
    assert any("left out: 1" in one for one in found.description.warnings)


def test_several_columns_of_numbers_are_targets_of_a_table():
    found = table("u,v", None, u=[k / 7 for k in range(60)], v=[k % 5 for k in range(60)])

    assert (found.description.task, found.spec.target_names) == ("regression", ("u", "v"))
    assert found.arrays.y_train.shape[1] == 2


def test_labels_are_divided_by_groups_and_a_given_validation_split():
    y, patients = sets(120), np.arange(120) // 4
    x = np.arange(480).reshape(120, 4).astype(np.float32)

    grouped = stored(None, x=x, y=y, groups=patients)
    given_split = stored(None, x=x[:100], y=y[:100], x_val=x[100:], y_val=y[100:])

    train, test = ({*(one[:, 0] // 16)} for one in (grouped.arrays.x_train, grouped.arrays.x_test))
    assert train
    assert test
    assert not train & test
    counts = [np.array(split.by_class) for split in grouped.description.splits]
    assert (sum(counts) == y.sum(axis=0)).all()
    assert "no group is in two splits" in grouped.description.summary[2]
    (facts,) = (one for one in given_split.description.splits if one.name == "validation")
    assert facts.by_class == tuple(y[100:].sum(axis=0))
    assert "a fifth of each label" in given_split.description.summary[2]
    with pytest.raises(InvalidDataset, match=r"leaves \d training examples of label '2'"):
        stored(None, x=x, y=y & [1, 1, 0] | (patients < 6)[:, None] * [0, 0, 1], time=-patients)


def test_target_columns_are_no_group_and_rows_of_a_patient_stay_together():
    patient = [k // 3 for k in range(60)]
    columns = {"u": [k % 2 for k in range(60)], "v": [k % 3 == 0 for k in range(60)]}

    found = table("u,v", None, group="patient", patient=patient, **columns)

    assert found.spec.split.column == "patient"
    assert [one.name for one in found.spec.table.columns] == ["size"]
    with pytest.raises(InvalidDataset, match="column 'v' for the groups is the target"):
        table("u,v", None, group="v", **columns)


@pytest.mark.parametrize(
    ("targets", "task", "message"),
    [
        ("u,w", None, "no column 'w' for the target"),
        ("u,u", None, "name one twice"),
        ("u,v", None, "column 'v' holds texts or dates; expected numbers, or 0 and 1"),
        ("u,size", "image-classification", "found 2 target columns; expected one for the task"),
    ],
)
def test_several_columns_that_are_no_targets_are_refused(targets, task, message):
    with pytest.raises(InvalidDataset, match=message):
        table(targets, task, u=list(range(60)), v=["red", "blue"] * 30)


@pytest.mark.parametrize("separator", [" ", ";", ", ", "|"])
def test_texts_may_list_the_labels(separator):
    rows = [f"ab{separator}c d", f" c d{separator}ab ", "c d", "ab"] * 6
    expected = {" ": {"ab": 18, "c": 18, "d": 18}}.get(separator, {"ab": 18, "c d": 18})

    found = understood(np.array(rows), "multi-label")

    both = np.concatenate([found.arrays.y_train, found.arrays.y_test])
    assert dict(zip(found.spec.class_names, both.sum(axis=0).tolist(), strict=True)) == expected
    x = np.zeros((24, 2, 2))
    with pytest.raises(InvalidDataset, match="found the label 'new'; expected labels of the train"):
        stored("multi-label", x=x, y=np.array(rows), x_test=x[:2], y_test=np.array(["ab", "new"]))


def test_spellings_in_lists_of_labels_are_warned_of_and_merged():
    rows = np.array(["cat; dog", "Cat", "dog ;CAT", "cat", "dog", "cat"] * 6)

    (warning,) = [
        one for one in understood(rows, "multi-label").description.warnings if "capital" in one
    ]
    assert "labels differ only in capital letters: 'CAT', 'Cat' and 'cat'; if" in warning
    found = merged(rows)
    assert found.spec.class_names == ("cat", "dog")
    both = np.concatenate([found.arrays.y_train, found.arrays.y_test])
    assert both.sum(axis=0).tolist() == [30, 18]
    assert "as 'cat'" in found.description.notes[0]
    with pytest.raises(InvalidDataset, match="rows of 0 and 1; expected texts for --merge-labels"):
        merged(sets(24))


def merged(y: np.ndarray) -> Intake:
    """The data set whose labels that differ only in capital letters are one."""
    file = io.BytesIO()
    np.savez(file, x=np.random.default_rng(1).integers(0, 9, (len(y), 6, 4)), y=y)
    return read(file, LIMITS, ReadOptions(task="multi-label", merge_labels=True))
