"""Folders of Hugging Face's `datasets`: those that it wrote, and others built in their layout."""

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from core.data import intake
from core.data.arrow_stream import read_stream
from core.data.files import ReadLimits
from core.data.formats import ReadOptions
from core.data.intake import Intake
from core.errors import InvalidDataset
from core.protocol.contracts.datasets import SplitKind
from netmorph.uploads import packed

SAVED = Path(__file__).parents[3] / "assets" / "saved_datasets"
N = 24
LABEL = {"label": {"_type": "ClassLabel", "names": ["a/b", "c"]}}


def read(data: bytes, **options: Any) -> Intake:
    return intake.read(io.BytesIO(data), ReadLimits(), ReadOptions(**options))


def read_folder(name: str) -> Intake:
    with packed(SAVED / name) as file:
        return read(file.read_bytes())


def stream(table: pa.Table, compression: str | None = None) -> bytes:
    buffer = io.BytesIO()
    options = pa.ipc.IpcWriteOptions(compression=compression)
    with pa.ipc.new_stream(buffer, table.schema, options=options) as writer:
        writer.write_table(table)
    return buffer.getvalue()


def archive(features: Any = LABEL, **parts: bytes) -> bytes:
    """A data set with a folder for each part, or with one part."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as target:
        for part, content in parts.items():
            folder = f"{part}/" if len(parts) > 1 else ""
            target.writestr(f"{folder}data-00000-of-00001.arrow", content)
            target.writestr(f"{folder}dataset_info.json", json.dumps({"features": features}))
    return file.getvalue()


def table(rows: int = N, **columns: Any) -> pa.Table:
    pixels = np.arange(rows * 6).reshape(rows, 2, 3).tolist()
    plain = {"x": pixels, "label": [k % 2 for k in range(rows)]}
    return pa.table({name: column for name, column in (plain | columns).items() if column})


def test_images_of_a_real_data_set_keep_their_classes_and_splits() -> None:
    found = read_folder("images")

    assert found.spec.class_names == ("a/cat", "dog")
    assert (found.spec.train_examples, found.spec.test_examples) == (24, 8)
    assert (found.spec.input_shape, found.spec.image_mode) == ((1, 6, 5), "L")
    brightness = found.arrays.x_train[..., :2].mean(axis=(1, 2, 3))
    np.testing.assert_array_equal(brightness > 100, found.arrays.y_train == 1)
    assert found.description.format == "datasets"


def test_columns_of_a_real_data_set_are_a_table() -> None:
    found = read_folder("table")

    assert found.spec.class_names == ("no", "yes")
    kinds = {one.name: (one.kind, one.missing) for one in found.spec.table.columns}
    assert kinds == {
        "age": ("number", False), "plan": ("category", False), "price": ("number", True)
    }  # fmt: skip
    assert found.spec.train_examples + found.spec.test_examples == 40


def test_arrays_of_a_real_data_set_are_examples() -> None:
    found = read_folder("array2d")

    assert (found.spec.input_shape, found.spec.dtype) == ((1, 3, 4), "float32")
    assert read(archive(x=stream(table())), layout="NLC").spec.input_shape == (3, 2)


def test_groups_and_parts_are_those_of_the_columns() -> None:
    own = stream(table(who=[f"w{k // 3}" for k in range(N)]))

    grouped = read(archive(x=own), group="who")
    assert grouped.spec.split.test is SplitKind.GROUP
    assert [one.groups for one in grouped.description.splits] == [6, 2]
    given = read(archive(train=own, validation=own, test=own))
    assert given.spec.split.validation_examples == N
    assert "columns that are left out: 'who'" in given.description.notes


def png() -> bytes:
    buffer = io.BytesIO()
    Image.new("L", (3, 3)).save(buffer, "PNG")
    return buffer.getvalue()


PNGS = [{"bytes": png(), "path": ""}] * N
PICTURES = {"image": {"_type": "Image"}}


def test_it_is_said_how_many_of_many_images_are_read() -> None:
    steps: list[str] = []
    cells = {"image": PNGS[:1] * 120, "label": [0, 1] * 60}
    found = archive(PICTURES | LABEL, x=stream(pa.table(cells)))
    intake.read(io.BytesIO(found), ReadLimits(), on_step=steps.append)
    assert steps == ["looked at 100 of 120 images", "read 100 of 120 images for train"]


@pytest.mark.parametrize(
    ("data", "options", "message"),
    [
        (archive(x=stream(table(), "zstd")), {}, "has compressed or dictionary-encoded data"),
        (archive(x=stream(table(x=pa.array(["a", "b"] * 12).dictionary_encode()))), {},
         "has compressed or dictionary-encoded data"),
        (archive(x=stream(table())[:-80]), {}, "is no readable Arrow stream"),
        (archive(x=b"ARROW1\0\0"), {}, "is no readable Arrow stream"),
        (archive([1], x=stream(table())), {}, "'dataset_info.json' names no features; expected a"),
        (archive({}, x=stream(table().rename_columns(["x", "z"]))), {}, "there is none with lab"),
        (archive(x=stream(table())), {"target": "z"}, "there is no column 'z'. Give --target"),
        (archive(x=stream(table())), {"group": "z"}, "there is no column 'z' for the groups or"),
        (archive(x=stream(table(label=[-1, 0, 1, 0] * 6))), {}, "6 train examples have no label"),
        (archive(x=stream(table(who=["w", "v", "u", None] * 6))), {"group": "who"},
         "6 train examples have no group; expected one for each"),
        (archive(x=stream(table(x=[[1], [1, 2]] * 12))), {}, "holds lists of 2 lengths; expected"),
        (archive(x=stream(table(x=[["a"]] * N))), {}, "holds lists of string; expect"),
        (archive(x=stream(table(z=[[1]] * N))), {}, "found 2 columns of arrays ('x', 'z');"),
        (archive(train=stream(table()), extra=stream(table())), {}, "found a split 'extra'; exp"),
        (archive(val=stream(table()), test=stream(table())), {}, "for test, validation and none"),
        (archive(train=stream(table()), test=stream(table(z=[1] * N))), {}, "are not those of"),
        (archive(PICTURES | LABEL, x=stream(table(image=[{"bytes": None, "path": "/etc/x"}] * N))),
         {}, "the image of train row 0 is not in the data set"),
        (archive(PICTURES | LABEL, x=stream(table(image=[{"bytes": b"no", "path": ""}] * N))),
         {}, "'train/0' cannot be read as an image"),
        (archive(PICTURES, x=stream(table(image=PNGS, label=[{"a": 1}] * N))), {"target": "label"},
         "the label column 'label' is of type struct<"),
    ],
)  # fmt: skip
def test_other_folders_are_refused_with_what_to_do(
    data: bytes, options: dict[str, str], message: str
) -> None:
    with pytest.raises(InvalidDataset) as caught:
        read(data, **options)

    assert message in str(caught.value)
    assert str(caught.value).isprintable()


@settings(max_examples=150)
@given(changes=st.lists(st.tuples(st.integers(0), st.integers(0, 255)), min_size=1, max_size=8))
def test_damaged_messages_are_harmless_or_refused(changes: list[tuple[int, int]]) -> None:
    data = bytearray(stream(table(who=[f"w{k}" for k in range(N)])))
    for index, value in changes:
        data[index % len(data)] = value
    try:
        read_stream(io.BytesIO(bytes(data)), "a").to_pylist()
    except InvalidDataset as error:
        assert "'a'" in str(error)  # noqa: PT017 (damage may be harmless)


@pytest.mark.parametrize("layout", ["NL", "NLC", "NCL"])
def test_lists_of_different_lengths_are_signals(layout: str) -> None:
    lengths = [3, 1, 2, 3] * (N // 4)
    signals = [
        {"NL": [k] * n, "NLC": [[k, 7]] * n, "NCL": [[k] * n, [7] * n]}[layout]
        for k, n in enumerate(lengths)
    ]

    found = read(archive(train=stream(table(x=signals))), layout=layout)

    assert found.spec.padded == layout
    assert found.spec.input_shape == (2 if layout == "NL" else 3, 3)
    every = np.concatenate([found.arrays.x_train, found.arrays.x_test])
    assert sorted(every[:, -1].sum(axis=1).tolist()) == sorted(lengths)


def test_lists_of_different_lengths_need_a_layout() -> None:
    signals = [[1.0] * (1 + k % 2) for k in range(N)]

    with pytest.raises(InvalidDataset, match=r"2 lengths.*by the layout NL, NLC or NCL"):
        read(archive(train=stream(table(x=signals))))
    with pytest.raises(InvalidDataset, match="different lengths only along the time"):
        read(archive(train=stream(table(x=[[one] for one in signals]))), layout="NLC")


SETS = {"feature": {"names": ["r", "g", "b"], "_type": "ClassLabel"}, "_type": "List"}


def test_lists_of_classes_are_several_labels_by_their_names() -> None:
    lists = [[k % 3] if k % 2 else [k % 3, (k + 1) % 3] for k in range(N)]
    texts = [f"text {k}" for k in range(N)]
    data = archive({"labels": SETS}, train=stream(pa.table({"text": texts, "labels": lists})))

    found = read(data, text="text")

    assert (found.arrays.task, found.spec.class_names) == ("multi-label", ("b", "g", "r"))
    counts = found.arrays.y_train.sum(axis=0) + found.arrays.y_test.sum(axis=0)
    expected = np.bincount([one for labels in lists for one in labels])
    np.testing.assert_array_equal(counts, expected[::-1])  # sorted by their names
    wrong = stream(pa.table({"text": texts, "labels": [[3]] * N}))
    with pytest.raises(InvalidDataset, match=r"found the labels \[3\]; expected .* from 0 to 2"):
        read(archive({"labels": SETS}, train=wrong), text="text")


@pytest.mark.parametrize("kind", ["images", "arrays"])
def test_images_and_arrays_have_several_labels_by_name_or_as_rows(kind: str) -> None:
    x = PNGS if kind == "images" else np.arange(2 * N).reshape(N, 2).tolist()
    features = {"x": {"_type": "Image"} if kind == "images" else {}, "labels": SETS}
    names = [[k % 3] if k % 2 else [k % 3, (k + 1) % 3] for k in range(N)]
    rows = [[int(label in one) for label in range(3)] for one in names]

    found = read(archive(features, train=stream(pa.table({"x": x, "labels": names}))))
    other = read(archive({"x": features["x"]}, train=stream(pa.table({"x": x, "labels": rows}))))

    assert (found.arrays.task, found.spec.class_names) == ("multi-label", ("b", "g", "r"))
    assert (other.arrays.task, other.spec.class_names) == ("multi-label", ("0", "1", "2"))
    for one in (found, other):
        counts = one.arrays.y_train.sum(axis=0) + one.arrays.y_test.sum(axis=0)
        np.testing.assert_array_equal(counts, np.sum(rows, axis=0))


@pytest.mark.parametrize("target", ["place", "up,right"])
def test_images_have_several_numbers_to_predict(target: str) -> None:
    place = np.random.default_rng(0).normal(size=(N, 2))
    columns = {"place": place.tolist(), "up": place[:, 0], "right": place[:, 1]}
    data = pa.table({"x": PNGS, "who": [f"p{k // 4}" for k in range(N)], **columns})
    parts = {"train": stream(data), "test": stream(data[:9])}

    found = read(archive({"x": {"_type": "Image"}}, **parts), target=target)

    names = ("place0", "place1") if target == "place" else ("up", "right")
    assert found.spec.target_names == names
    np.testing.assert_array_equal(found.arrays.y_train, place)
    np.testing.assert_array_equal(found.arrays.y_test, place[:9])
    alone = archive({"x": {"_type": "Image"}}, train=stream(data))
    grouped = read(alone, target=target, group="who")
    assert grouped.spec.split.test is SplitKind.GROUP
    gaps = data.set_column(3, "up", pa.array([None, *place[1:, 0]]))
    if target == "up,right":
        with pytest.raises(InvalidDataset, match="1 examples have no value in 'up', 'right'"):
            read(archive({"x": {"_type": "Image"}}, train=stream(gaps)), target=target)


def test_all_but_one_of_several_columns_of_arrays_can_be_left_out() -> None:
    data = archive(train=stream(table(z=[[1.0, 2.0]] * N, note=["a", "b"] * (N // 2))))

    with pytest.raises(InvalidDataset, match=r"arrays \('x', 'z'\); .* out by --leave-out COLUMN"):
        read(data)
    assert read(data, leave_out=("z",)).spec.input_shape == (1, 2, 3)
    for wrong in ("nothing", "label"):
        with pytest.raises(InvalidDataset, match=f"found .*'{wrong}' to leave out"):
            read(data, leave_out=("z", wrong))


def test_a_text_column_beside_arrays_can_be_chosen() -> None:
    data = archive(train=stream(table(note=[f"word {'ab'[k % 2]}" for k in range(N)])))

    assert read(data, text="note").spec.text is not None
