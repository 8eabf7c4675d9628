"""Every registered format reads its files, and no damage to them does harm."""

import io
import json
import zipfile
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from pyarrow import csv as arrow_csv
from pyarrow import parquet as arrow_parquet

from core.data import intake
from core.data.files import ReadLimits, open_files
from core.data.formats import FORMATS, ReadOptions
from core.errors import InvalidDataset

X = np.arange(12 * 4 * 5, dtype=np.uint8).reshape(12, 4, 5)
Y = np.arange(12) % 2


def npz() -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, x=X, y=Y)
    return buffer.getvalue()


def zipped(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def images() -> bytes:
    """The same examples as image files of several formats."""
    kinds = {"png": {}, "bmp": {}, "webp": {"lossless": True}, "jpg": {"quality": 100}}
    files = {}
    for number, (x, y) in enumerate(zip(X, Y, strict=True)):
        suffix, options = list(kinds.items())[number % len(kinds)]
        buffer = io.BytesIO()
        options = dict[str, Any](options)
        Image.fromarray(x).save(buffer, {"jpg": "jpeg"}.get(suffix, suffix), **options)
        files[f"class {y}/{number}.{suffix}"] = buffer.getvalue()
    return zipped(files)


def labelled_images() -> bytes:
    """The same examples as image files in one folder, with a table of their labels."""
    with zipfile.ZipFile(io.BytesIO(images())) as archive:
        data = {name: archive.read(name) for name in archive.namelist()}
    rows = [f"{name.rpartition('/')[2]},{name[6]}" for name in data]
    moved = {f"pictures/{name.rpartition('/')[2]}": content for name, content in data.items()}
    return zipped(moved | {"labels.csv": "\n".join(["file,label", *rows]).encode()})


def idx() -> bytes:
    sizes = b"".join(length.to_bytes(4, "big") for length in X.shape)
    labels = bytes([0, 0, 8, 1]) + len(Y).to_bytes(4, "big") + Y.astype(np.uint8).tobytes()
    return zipped(
        {
            "train-images-idx3-ubyte": bytes([0, 0, 8, 3]) + sizes + X.tobytes(),
            "train-labels-idx1-ubyte": labels,
        }
    )


def rows() -> pa.Table:
    """The same examples as rows of a table."""
    pixels = {f"pixel {k}": column for k, column in enumerate(X.reshape(len(X), -1).T)}
    return pa.table(pixels | {"label": [f"class {y}" for y in Y]})


def csv() -> bytes:
    buffer = io.BytesIO()
    arrow_csv.write_csv(rows(), buffer)
    return buffer.getvalue()


def parquet() -> bytes:
    buffer = io.BytesIO()
    arrow_parquet.write_table(rows(), buffer)
    return buffer.getvalue()


def jsonl() -> bytes:
    return "\n".join(json.dumps(row) for row in rows().to_pylist()).encode()


def datasets() -> bytes:
    """The same examples as Hugging Face's datasets keeps them."""
    buffer = io.BytesIO()
    table = pa.table({"x": pa.array(X.tolist(), pa.list_(pa.list_(pa.uint8()))), "label": Y})
    with pa.ipc.new_stream(buffer, table.schema) as writer:
        writer.write_table(table)
    info = json.dumps({"features": {"label": {"_type": "ClassLabel", "names": ["a", "b"]}}})
    return zipped({"d/data-0.arrow": buffer.getvalue(), "d/dataset_info.json": info.encode()})


def texts() -> bytes:
    """As many texts, a file each."""
    return zipped({f"class {y}/{n}.txt": b"one two" if y else b"three" for n, y in enumerate(Y)})


SAMPLES: dict[str, Callable[[], bytes]] = {"npz": npz, "images": images, "idx": idx}
TABLES: dict[str, Callable[[], bytes]] = {"csv": csv, "parquet": parquet, "jsonl": jsonl}
ARRAYS: dict[str, Callable[[], bytes]] = SAMPLES | {
    "datasets": datasets,
    "labelled-images": labelled_images,
}
EVERY = ARRAYS | TABLES | {"texts": texts}
IN_PARTS: dict[str, Callable[[], bytes]] = {
    f"{kind} in parts": lambda kind=kind: zipped(
        {f"{part}.{kind}": TABLES[kind]() for part in ("train", "test")}
    )
    for kind in TABLES
}


def test_every_format_has_a_sample_here() -> None:
    assert set(EVERY) == set(FORMATS)


@pytest.mark.parametrize("kind", EVERY)
def test_files_are_recognised_by_their_format_alone(kind: str) -> None:
    files = open_files(io.BytesIO(EVERY[kind]()), ReadLimits())

    assert [other for other in FORMATS if FORMATS[other].recognises(files)] == [kind]


@pytest.mark.parametrize("kind", ARRAYS)
def test_the_same_examples_are_read_from_every_format(kind: str) -> None:
    found = intake.read(io.BytesIO(ARRAYS[kind]()), ReadLimits())

    arrays = found.arrays
    x = np.concatenate([arrays.x_train, arrays.x_test])[:, 0]
    assert x.shape == X.shape
    assert np.abs(np.sort(x.sum(axis=(1, 2))) - np.sort(X.sum(axis=(1, 2)))).max() <= 40  # jpeg
    assert (arrays.x_train.dtype, found.spec.train_examples) == (np.uint8, 10)
    assert found.description.format == kind
    assert all(text.isprintable() for text in found.description.summary)


@pytest.mark.parametrize("kind", TABLES)
def test_the_same_examples_are_read_from_every_table(kind: str) -> None:
    found = intake.read(io.BytesIO(TABLES[kind]()), ReadLimits())

    arrays = found.arrays
    x = np.concatenate([arrays.x_train, arrays.x_test])
    np.testing.assert_array_equal(x[np.lexsort(x.T)], X.reshape(len(X), -1))
    assert (found.spec.table.target, found.spec.class_names) == ("label", ("class 0", "class 1"))
    assert found.description.format == kind
    assert all(text.isprintable() for text in found.description.summary)


@pytest.mark.parametrize("kind", TABLES)
def test_a_layout_is_for_arrays(kind: str) -> None:
    with pytest.raises(InvalidDataset, match="the layout 'NF' is for arrays"):
        intake.read(io.BytesIO(TABLES[kind]()), ReadLimits(), ReadOptions(layout="NF"))


@pytest.mark.parametrize("kind", SAMPLES)
def test_a_target_column_is_for_tables(kind: str) -> None:
    with pytest.raises(InvalidDataset, match="a target column, a text column, categories and"):
        intake.read(io.BytesIO(SAMPLES[kind]()), ReadLimits(), ReadOptions(target="y"))


@pytest.mark.parametrize("kind", ARRAYS)
def test_a_layout_that_does_not_fit_is_refused(kind: str) -> None:
    with pytest.raises(InvalidDataset, match="expected 2 axes as layout 'NF'"):
        intake.read(io.BytesIO(ARRAYS[kind]()), ReadLimits(), ReadOptions(layout="NF"))


changes = st.lists(st.tuples(st.integers(0), st.integers(0, 255)), min_size=1, max_size=8)


@pytest.mark.parametrize("kind", EVERY)
@settings(max_examples=100)
@given(changes=changes)
def test_any_damage_is_harmless_or_refused_in_one_line(
    kind: str, changes: list[tuple[int, int]]
) -> None:
    assert "\n" not in refusal(EVERY[kind](), changes)


@pytest.mark.parametrize("kind", IN_PARTS)
@settings(max_examples=60)
@given(changes=changes)
def test_any_damage_to_tables_in_parts_is_harmless_or_refused(
    kind: str, changes: list[tuple[int, int]]
) -> None:
    assert "\n" not in refusal(IN_PARTS[kind](), changes)


def refusal(content: bytes, changes: list[tuple[int, int]]) -> str:
    """What is said about a file with these changes; empty where it is read."""
    data = bytearray(content)
    for index, value in changes:
        data[index % len(data)] = value
    try:
        intake.read(io.BytesIO(bytes(data)), ReadLimits(bytes=2**22, image_pixels=2**16))
    except InvalidDataset as error:
        return str(error)
    return ""
