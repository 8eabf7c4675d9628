"""The reading of a data set of any format can be ended by its caller."""

import gzip
import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image
from pyarrow import json as arrow_json
from pyarrow import parquet

from core.data import intake, interruption
from core.data.datasets import write
from core.data.files import ReadLimits

ROWS = [{"a": n % 7, "b": n % 5, "label": "xy"[n % 2]} for n in range(40)]
CSV = "\n".join(["a,b,label", *(f"{row['a']},{row['b']},{row['label']}" for row in ROWS)]).encode()


class Ended(Exception):
    """What a check raises here."""


def npz() -> bytes:
    file = io.BytesIO()
    np.savez(file, x=np.zeros((40, 8, 8), np.uint8), y=np.arange(40) % 2)
    return file.getvalue()


def zipped(content: Callable[[int], bytes], suffix: str) -> bytes:
    """Files in folders of two classes."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for n in range(20):
            archive.writestr(f"{'cd'[n % 2]}/{n}.{suffix}", content(n))
    return file.getvalue()


def picture(n: int) -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.full((4, 4), n, np.uint8)).save(file, "PNG")
    return file.getvalue()


def table() -> bytes:
    file = io.BytesIO()
    parquet.write_table(pa.Table.from_pylist(ROWS), file, row_group_size=10)
    return file.getvalue()


FILES = {
    "npz": npz(),
    "images": zipped(picture, "png"),
    "texts": zipped(lambda n: f"word {n} and more words".encode(), "txt"),
    "csv": CSV,
    "packed": gzip.compress(CSV),
    "parquet": table(),
    "jsonl": "\n".join(map(json.dumps, ROWS)).encode(),
}


class EndsAt:
    """A check that ends the reading when it is called for this time; 0: never."""

    def __init__(self, number: int) -> None:
        self.number, self.calls = number, 0

    def __call__(self) -> None:
        self.calls += 1
        if self.calls == self.number:
            raise Ended


def imported(content: bytes, path: Path, check: Callable[[], None]) -> None:
    """Read a data set and write it as it is stored."""
    with interruption.checked_by(check):
        write(intake.read(io.BytesIO(content), ReadLimits()).arrays, path)


@pytest.mark.parametrize("kind", FILES)
def test_a_reading_ends_at_any_of_its_checks(kind: str, tmp_path: Path) -> None:
    path, never = tmp_path / "stored", EndsAt(0)
    imported(FILES[kind], path, never)
    expected, count = path.read_bytes(), never.calls
    assert count > 5

    for number in {1, 2, count // 2, count - 1, count}:
        with pytest.raises(Ended):
            imported(FILES[kind], path, EndsAt(number))

    interruption.check()  # outside of the block there is none
    imported(FILES[kind], path, EndsAt(count + 1))
    assert path.read_bytes() == expected


def test_a_reader_of_a_whole_file_ends_at_a_check_of_its_reads() -> None:
    """It may read in a thread of its own, which does not have the context of its caller."""
    options = arrow_json.ReadOptions(block_size=256)
    for number in (1, 2, 4):
        with interruption.checked_by(EndsAt(number)):
            file = interruption.checked(io.BytesIO(FILES["jsonl"]))
        with pytest.raises(Ended):
            arrow_json.read_json(file, read_options=options)
    never = EndsAt(0)
    with interruption.checked_by(never):
        file = interruption.checked(io.BytesIO(FILES["jsonl"]))
    assert arrow_json.read_json(file, read_options=options).to_pylist() == ROWS
    assert never.calls > len(FILES["jsonl"]) // 256


def test_a_file_without_a_check_is_read_as_it_is() -> None:
    file = io.BytesIO()
    assert interruption.checked(file) is file
