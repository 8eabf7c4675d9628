"""Images with a table of their labels: how columns and files are found, and every usual fault."""

import io
import json
import tarfile
import zipfile
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from PIL import Image

from core.data import intake
from core.data.files import ReadLimits
from core.data.formats import ReadOptions
from core.data.intake import Intake
from core.errors import InvalidDataset
from core.protocol.contracts.datasets import SplitKind

N = 20


def png(value: int) -> bytes:
    """An image whose pixels say which one it is."""
    buffer = io.BytesIO()
    Image.fromarray(np.full((3, 3), value, np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


IMAGES = {f"train/{k}.png": png(k) for k in range(N)}
BREEDS = "id,breed\n" + "".join(f"{k},{'cat' if k % 2 else 'dog'}\n" for k in range(N))


def rows(header: str, row: str, numbers: Any = range(N)) -> str:
    """A table with a row for each number k."""
    texts = (row.format(k=k, odd=k % 2, third=k // 3 % 2, four=k // 4) for k in numbers)
    return "\n".join([header, *texts])


def read(files: Mapping[str, bytes | str], **options: Any) -> Intake:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return intake.read(buffer, ReadLimits(), ReadOptions(**options))


def labels_of(found: Intake) -> dict[int, Any]:
    """The label of each image, by what its pixels say."""
    arrays = found.arrays
    x = np.concatenate([arrays.x_train, arrays.x_test])[:, 0, 0, 0]
    y = np.concatenate([arrays.y_train, arrays.y_test])
    named = [arrays.class_names[k] for k in y] if arrays.class_names and y.ndim == 1 else y.tolist()
    return dict(zip(x.tolist(), named, strict=True))


BY_NUMBER = {k: "cat" if k % 2 else "dog" for k in range(N)}


@pytest.mark.parametrize(
    "cell",
    ["{k}", "{k}.png", "train/{k}.png", "./train/{k}.PNG", r"C:\pets\train\{k}.png", " {k}.png "],
)
@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_a_cell_names_an_image_by_the_end_of_its_path(cell: str, ending: str) -> None:
    table = rows("breed;what is it called", "x{odd};" + cell).replace("\n", ending)
    found = read({f"pets/{name}": data for name, data in (IMAGES | {"any.csv": table}).items()})

    assert labels_of(found) == {k: f"x{k % 2}" for k in range(N)}
    assert "labels: column 'breed', names of images: column 'what is it called'" in (
        found.description.notes
    )


@pytest.mark.parametrize("cell", ["{k}", "{k:04d}", "{k}.0", "https://host/train/{k:03d}.png?x=1"])
def test_numbers_are_found_however_spreadsheets_and_data_frames_write_them(cell: str) -> None:
    files = {f"train/{k:03d}.png": png(k) for k in range(N)} | {"train/x.png": png(N)}
    table = "\n".join(["id,label", "x,0", *(f"{cell.format(k=k)},{k % 2}" for k in range(N))])

    assert labels_of(read(files | {"l.csv": table})) == {k: str(k % 2) for k in range(N)} | {N: "0"}


def test_labels_are_not_taken_for_names_of_images() -> None:
    digits = rows("digit,number", "{odd},{k}")

    assert labels_of(read(IMAGES | {"labels.csv": digits})) == {k: str(k % 2) for k in range(N)}


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "cp1252"])
def test_names_in_any_encoding_and_composition_are_found(encoding: str) -> None:
    files = {f"bilder/e\u0301t\u00e9 {k}.png": png(k) for k in range(N)}  # as macOS writes them
    table = rows("bild,klasse", "été {k}.png,{odd}").encode(encoding)

    assert labels_of(read(files | {"labels.csv": table})) == {k: str(k % 2) for k in range(N)}


def test_a_folder_of_kaggle_is_read_as_it_comes() -> None:
    later = {f"test/{k}.png": png(k) for k in range(50, 55)}
    others = {"test.csv": rows("id,url", "{k},-", range(50, 55))}
    others["sample_submission.csv"] = rows("id,breed", "{k},cat", range(50, 55))
    found = read(IMAGES | later | others | {"train.csv": BREEDS})

    assert labels_of(found) == BY_NUMBER
    assert [text for text in found.description.warnings if "left out" in text] == [
        "a table is left out: 'sample_submission.csv' holds predictions, by its name",
        "'test.csv' is left out: it has no column of labels",
        "images without labels are left out: 5, such as 'test/50.png'; give them to predict.py of "
        "the export",
    ]


def test_tables_in_parts_name_images_of_their_own_folders() -> None:
    files = IMAGES | {f"test/{k}.png": png(100 + k) for k in range(4)}
    found = read(files | {"train.csv": BREEDS, "test.csv": rows("id,breed", "{k},cat", range(4))})

    assert labels_of(found) == BY_NUMBER | dict.fromkeys(range(100, 104), "cat")
    assert (found.spec.train_examples, found.spec.test_examples) == (N, 4)


@pytest.mark.parametrize("by", ["column", "folder"])
def test_one_table_may_divide_its_rows_by_a_column_or_by_the_folders(by: str) -> None:
    parts = ["train"] * 12 + ["val"] * 4 + ["test"] * 4
    folder = "all" if by == "column" else None
    files = {f"{folder or part}/{k}.png": png(k) for k, part in enumerate(parts)}
    lines = [f"{k},{k % 2}" + f",{part}" * (by == "column") for k, part in enumerate(parts)]
    header = "file,label" + ",split" * (by == "column")
    found = read(files | {"labels.csv": "\n".join([header, *lines])})

    assert found.spec.split.test is found.spec.split.validation is SplitKind.GIVEN
    assert sorted(found.arrays.x_test[:, 0, 0, 0]) == [16, 17, 18, 19]
    _, validation = found.arrays.rule.validation(found.arrays.y_train, 0.2, 0)
    assert sorted(found.arrays.x_train[validation, 0, 0, 0]) == [12, 13, 14, 15]


def test_numbers_are_targets_and_several_columns_several_labels() -> None:
    table = rows("id,red,blue,weight,height", "{k},{odd},{third},{k}.5,{k}")
    files = IMAGES | {"labels.csv": table}

    one = read(files, target="weight")
    assert (one.arrays.task, one.spec.target_names) == ("regression", ("weight",))
    assert labels_of(one) == {k: [k + 0.5] for k in range(N)}
    two = read(files, target="weight,height")
    assert (two.spec.target_names, labels_of(two)[3]) == (("weight", "height"), [3.5, 3.0])
    sets = read(files, target="red,blue")
    assert (sets.arrays.task, sets.spec.class_names) == ("multi-label", ("red", "blue"))
    assert labels_of(sets) == {k: [k % 2, k // 3 % 2] for k in range(N)}


def test_a_column_of_lists_names_the_labels_of_each_image() -> None:
    lists = [["a", "b"] if k % 2 else ["b"] if k % 3 else [] for k in range(N)]
    lines = [json.dumps({"file": f"{k}.png", "labels": one}) for k, one in enumerate(lists)]

    found = read({**IMAGES, "labels.jsonl": "\n".join(lines)})

    assert (found.arrays.task, found.arrays.class_names) == ("multi-label", ("a", "b"))
    assert labels_of(found) == {k: ["a" in one, "b" in one] for k, one in enumerate(lists)}


def test_one_hot_columns_are_classes() -> None:
    lines = [f"{k},{k % 2},{1 - k % 2}" for k in range(N)]
    found = read(IMAGES | {"labels.csv": "\n".join(["id,cat,dog", *lines])}, target="cat,dog")

    assert (found.arrays.task, labels_of(found)) == ("image-classification", BY_NUMBER)


def test_groups_and_times_are_columns_of_the_table() -> None:
    files = IMAGES | {"labels.csv": rows("id,label,patient,day", "{k},{odd},p{four},{k}")}

    grouped = read(files, group="patient")
    groups = [set(x[:, 0, 0, 0] // 4) for x in (grouped.arrays.x_train, grouped.arrays.x_test)]
    assert not groups[0] & groups[1]
    assert grouped.spec.split.column == "patient"
    timed = read(files, time="day")
    assert sorted(timed.arrays.x_test[:, 0, 0, 0]) == [16, 17, 18, 19]


def test_beside_folders_by_class_a_table_may_have_the_groups_alone() -> None:
    folders = {f"{'ab'[k % 2]}/{k}.png": png(k) for k in range(N)}
    patients = rows("file,age,patient", "{k}.png,{k},p{four}")
    found = read(folders | {"meta.csv": patients}, group="patient")

    assert labels_of(found) == {k: "ab"[k % 2] for k in range(N)}
    assert found.spec.split.test is SplitKind.GROUP
    assert "name the column: --target COLUMN" in found.description.warnings[0]
    assert "one of 'age'" in found.description.warnings[0]
    by_age = read(folders | {"meta.csv": patients}, target="age", task="regression")
    assert labels_of(by_age) == {k: [k] for k in range(N)}
    unrelated = read(folders | {"notes.csv": "who,when\nme,now\n"})
    assert "'notes.csv' names the images" in unrelated.description.warnings[0]


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (
            {"labels.csv": BREEDS + "77,cat\n3,dog\n"},
            "rows that name no image: 1 of 22, row 22 of 'labels.csv' '77': add the files or "
            "remove the rows; rows that name an image again: 1 of 22, 'train/3.png' in row 5 of "
            "'labels.csv' and in row 23 of 'labels.csv': keep one row for each image",
        ),
        (
            {"labels.csv": BREEDS, "train/x.png": png(1)},
            "images without a row: 1 of 21, 'train/x.png': add rows or remove the files",
        ),
        (
            {"labels.csv": BREEDS, "more/3.png": png(1)},
            "rows that may name several images: 1 of 20, row 5 of 'labels.csv' '3' "
            "('train/3.png', 'more/3.png'): write the folder, too",
        ),
        (
            {"labels.csv": rows("0.png,cat", "{k}.png,cat", range(1, N))},
            "the first row of 'labels.csv' names the image '0.png'; expected the names of the",
        ),
        (
            {"labels.csv": rows("a,b", "x{k},{k}.5")},
            "no column of 'labels.csv' names the images (its first row: a 'x0', b '0.5'); expected "
            "one column with the names of the image files",
        ),
        ({"labels.csv": rows("id,age,breed", "{k},{k},x")}, "with one of 'age', 'breed'"),
        ({"labels.csv": rows("id,split", "{k},train")}, "'labels.csv' has no column for the"),
        ({"labels.csv": ""}, "'labels.csv': the file is empty"),
        ({"labels.csv": BREEDS, "a.gif": b"GIF"}, "found 'a.gif'; expected PNG, JPEG, WebP or BMP"),
        ({"labels.csv": "id,breed\n"}, "'labels.csv': the table has a row of names and no rows"),
        ({"labels.csv": rows("id,label", "{k},")}, "the target column 'label' is empty"),
        ({"submission.csv": BREEDS}, "'submission.csv' holds predictions, by its name"),
    ],
)
def test_faults_are_named_with_their_rows_and_files(files: Mapping[str, Any], message: str) -> None:
    with pytest.raises(InvalidDataset) as caught:
        read(IMAGES | dict(files))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_rows_without_a_label_are_left_out() -> None:
    found = read(IMAGES | {"labels.csv": BREEDS.replace("\n3,cat", "\n3,")})

    assert labels_of(found) == {k: name for k, name in BY_NUMBER.items() if k not in (3, 13)} | {
        13: "cat"
    }
    assert "rows without a value in the target column 'breed' are left out: 1" in (
        found.description.warnings
    )


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:xz"])
def test_a_tar_file_is_read_as_a_zip_file(mode: Any) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as archive:
        for name, data in (IMAGES | {"labels.csv": BREEDS.encode(), ".hidden": b"1"}).items():
            entry = tarfile.TarInfo(f"./pets/{name}")
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))

    content = buffer.getvalue()
    assert labels_of(intake.read(io.BytesIO(content), ReadLimits())) == BY_NUMBER
    if mode == "w":
        with pytest.raises(InvalidDataset, match="is not a readable tar file"):
            intake.read(io.BytesIO(content[:15_000]), ReadLimits())
        with pytest.raises(InvalidDataset, match="unpack to"):
            intake.read(io.BytesIO(content), ReadLimits(bytes=500))
