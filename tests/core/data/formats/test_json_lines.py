"""JSON Lines, tables in several files and packed files give the same data as one plain file."""

import bz2
import gzip
import io
import json
import lzma
import zipfile
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from core.data import intake
from core.data.files import ReadLimits, SingleFile
from core.data.formats import ReadOptions
from core.data.formats.json_lines import JsonLines
from core.data.intake import Intake
from core.errors import InvalidDataset

N = 40
ROWS = [
    {"age": 20 + k * 7 % 50, "height": None if k % 8 == 1 else k / 4, "plan": "ABC"[k % 3],
     "vip": k % 2 > 0, "since": f"2024-01-{1 + k % 28:02}", "y": ["no", "yes"][k // 5 % 2]}
    for k in range(N)
]  # fmt: skip


def zstd(data: bytes) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as stream:
        stream.write(data)
    return bytes(sink.getvalue())


PACKERS = [gzip.compress, bz2.compress, lzma.compress, zstd]


def read(data: bytes, limits: ReadLimits = ReadLimits(), **options: Any) -> Intake:  # noqa: B008
    return intake.read(io.BytesIO(data), limits, ReadOptions(**options))


def lines(rows: list[dict[str, Any]] = ROWS) -> bytes:
    return "\n".join(json.dumps(row) for row in rows).encode()


def csv(rows: list[dict[str, Any]] = ROWS) -> bytes:
    cells = [[str("" if cell is None else cell) for cell in row.values()] for row in rows]
    return "\n".join([",".join(ROWS[0]), *(",".join(row) for row in cells)]).encode()


def as_parquet(rows: list[dict[str, Any]]) -> bytes:
    file = io.BytesIO()
    parquet.write_table(pa.Table.from_pylist(rows), file)
    return file.getvalue()


def npz() -> bytes:
    file = io.BytesIO()
    np.savez(file, x=np.arange(80).reshape(40, 2), y=np.arange(40) % 2)
    return file.getvalue()


def archive(files: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as packed:
        for name, content in files.items():
            packed.writestr(name, content)
    return file.getvalue()


def same(first: Intake, second: Intake) -> bool:
    np.testing.assert_array_equal(first.arrays.x_train, second.arrays.x_train)
    np.testing.assert_array_equal(first.arrays.y_test, second.arrays.y_test)
    return first.spec == second.spec


def test_objects_in_lines_are_rows() -> None:
    found = read(lines())

    columns = {one.name: (one.kind, one.missing) for one in found.spec.table.columns}
    assert columns == {
        "age": ("number", False), "height": ("number", True), "plan": ("category", False),
        "vip": ("category", False), "since": ("date", False),
    }  # fmt: skip
    assert same(found, read(csv()))
    sparse = [{key: value for key, value in row.items() if value is not None} for row in ROWS]
    assert same(read(b"\xef\xbb\xbf" + lines(sparse) + b"\n\n"), found)


@pytest.mark.parametrize("pack", PACKERS)
@pytest.mark.parametrize("data", [lines(), csv(), as_parquet(ROWS), npz()])
def test_a_packed_file_is_the_file(data: bytes, pack: Any) -> None:
    assert same(read(pack(data)), read(data))


def test_parts_may_be_packed_each_by_itself() -> None:
    parts = {"train.csv.gz": gzip.compress(csv(ROWS[:30])), "test.csv": csv(ROWS[30:])}
    json_parts = {
        "a/train.jsonl.xz": lzma.compress(lines(ROWS[:30])),
        "a/test.jsonl": lines(ROWS[30:]),
    }

    found = read(archive(parts | {"README.txt": b"about it"}))

    assert (found.spec.train_examples, found.spec.test_examples) == (30, 10)
    assert same(read(archive(json_parts)), found)


def test_a_parquet_table_may_come_in_pieces_and_parts() -> None:
    halves = as_parquet(ROWS[:15]), as_parquet(ROWS[15:30])
    pieces = {"d/part-1.parquet": halves[1], "d/part-0.parquet": halves[0]}
    named = {
        "train-00000-of-00002.parquet": halves[0], "train-00001-of-00002.parquet": halves[1],
        "validation-00000-of-00001.parquet": as_parquet(ROWS[30:]),
    }  # fmt: skip

    assert same(read(archive(pieces)), read(as_parquet(ROWS[:30])))
    found = read(archive(named))
    assert found.spec.split.validation_examples == 10
    assert found.spec.train_examples + found.spec.test_examples == 40


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (json.dumps(ROWS).encode(), "the file is a JSON array; expected JSON Lines, one object a"),
        (
            lines() + b'\n{"age": "old"}',
            "is no readable JSON Lines: 'JSON parse error: Column(",
        ),
        (lines() + b'\n{"age": 1', "is no readable JSON Lines"),
        (lines([row | {"more": {"a": 1}} for row in ROWS]), "column 'more' is of type struct<a: i"),
        (lines([row | {"": 1} for row in ROWS]).replace(b'"y"', b'"z"'), "target column must be"),
        (gzip.compress(csv())[:-9], "the gzip file cannot be unpacked: "),
        (zstd(csv())[:9] + b"damage", "the zstd file cannot be unpacked: "),
        (gzip.compress(b"\x93NUMPY"), "a single npy file; labels are missing"),
        (archive({"a.csv": csv(), "b.jsonl": lines()}), "found tables of several formats"),
        (
            archive({"train.csv.gz": b"\x1f\x8b\x08nothing", "test.csv": csv()}),
            "cannot be unpacked",
        ),
    ],
)
def test_other_files_are_refused_with_what_to_do(data: bytes, message: str) -> None:
    with pytest.raises(InvalidDataset) as caught:
        read(data)

    assert message in str(caught.value)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("pack", PACKERS)
def test_a_file_that_unpacks_to_very_much_is_refused_before_it_does(pack: Any) -> None:
    bomb = pack(bytes(2**22))
    for data in (bomb, archive({"train.csv.gz": bomb, "test.csv": csv()})):
        with pytest.raises(InvalidDataset, match=r"unpacks to more than 1,048,576 bytes"):
            read(data, ReadLimits(small=2**20, bytes=2**21))


def test_packed_files_are_limited_together_as_well() -> None:
    packed = gzip.compress(b"".join(b'{"a":%d,"y":%d}\n' % (k, k % 2) for k in range(2000)))
    data = archive({f"train/{k}.jsonl.gz": packed for k in range(20)})
    with pytest.raises(InvalidDataset, match=r"the tables have .* bytes together; expected at"):
        read(data, ReadLimits(bytes=300_000))


def test_the_types_of_columns_may_show_late_in_a_large_file() -> None:
    """The file is parsed block by block: of the first ones some columns have only whole numbers."""
    count, pad = 24_000, "x" * 40  # more than a block
    rows = [{"a": k % 9, "b": None, "pad": pad, "y": "pq"[k % 2]} for k in range(count)]
    rows[-4:] = [row | {"a": 0.5, "b": "text", "late": [1, 2]} for row in rows[-4:]]
    table = JsonLines.read(SingleFile(io.BytesIO(lines(rows))), ReadLimits(), ReadOptions())
    columns = {name: cells.to_pylist() for name, cells in table.columns.items()}
    assert [*columns] == ["a", "b", "pad", "y", "late"]
    assert columns["a"] == [float(row["a"]) for row in rows]
    assert columns["b"] == [row["b"] for row in rows]
    assert columns["late"] == [None] * (count - 4) + [[1, 2]] * 4


@pytest.mark.parametrize("at", [0, 30_000])
def test_a_line_may_be_longer_than_a_block(at: int) -> None:
    rows = [{"a": k, "y": "pq"[k % 2]} for k in range(40_000)]
    rows.insert(at, {"a": 1, "y": "r" * 3 * 2**20})
    table = JsonLines.read(SingleFile(io.BytesIO(lines(rows))), ReadLimits(), ReadOptions())
    assert table.columns["a"].to_pylist() == [row["a"] for row in rows]


@pytest.mark.parametrize("close", [b"]", b""])
def test_lines_that_nest_deeply_are_refused_before_they_are_parsed(close: bytes) -> None:
    """Arrow's parser calls itself for each level: 5,000 of them end the process."""
    deep = b'{"x": ' + b"[" * 100 + b"1" + close * 100 + b', "y": "a"}\n'
    with pytest.raises(InvalidDataset, match="nests lists and objects deeper than 64 levels"):
        read(lines() + b"\n" + deep)
    with pytest.raises(InvalidDataset, match="nests lists and objects deeper than 64 levels"):
        read(deep + lines())


def test_brackets_in_texts_nest_nothing() -> None:
    rows = [row | {"plan": "[{" * 50 + str(k % 3)} for k, row in enumerate(ROWS)]
    assert read(lines(rows)).spec.train_examples == 32
