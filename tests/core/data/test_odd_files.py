"""Files as people have them: codes with zeros, codes of missing values, names of Windows."""

import io
import json
import zipfile
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image
from pyarrow.parquet import write_table

from core.data import intake
from core.data.files import ReadLimits
from core.data.formats import ReadOptions
from core.data.intake import Intake
from core.data.tables.far_values import about_far_values
from core.errors import InvalidDataset

N = 60
RNG = np.random.default_rng(5)
VALUES = RNG.normal(size=N).round(3)
KINDS = np.arange(N) % 3


def read(data: bytes, **options: Any) -> Intake:
    return intake.read(io.BytesIO(data), ReadLimits(), ReadOptions(**options))


def csv(header: str, *columns: Any) -> bytes:
    rows = [",".join(map(str, row)) for row in zip(*columns, strict=True)]
    return "\n".join([header, *rows]).encode()


def reason(found: Intake, name: str) -> str:
    columns = {one.name: one for one in found.description.columns}
    return columns[name].reason


def npz(**arrays: Any) -> bytes:
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


def images(names: list[str]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for k, name in enumerate(names):
            picture = io.BytesIO()
            Image.new("L", (4, 4), 10 + k).save(picture, "JPEG")
            archive.writestr(name, picture.getvalue())
    return file.getvalue()


def test_labels_with_zeros_before_them_are_names() -> None:
    found = read(csv("a,target", VALUES, np.array(["007", "7", "10"])[KINDS]))
    assert found.arrays.class_names == ("007", "10", "7")
    found = read(csv("a,target", VALUES, np.array(["0", "7", "10"])[KINDS]))
    assert found.arrays.class_names == ("0", "7", "10")


def test_codes_of_missing_values_and_sums_are_warned_of() -> None:
    values = VALUES.copy()
    values[::20] = -999
    (warning,) = [
        one for one in read(csv("a,y", values, KINDS)).description.warnings if "far" in one
    ]
    assert warning.startswith("column 'a' has -999 in 3 rows, far from its other values (-")
    prices = np.append(VALUES[:-1] + 20, (VALUES[:-1] + 20).sum() * 10)
    found = read(csv("a,y", KINDS, prices))
    assert any(
        "target 'y' has" in one and "in 1 example, far" in one for one in found.description.warnings
    )


def about_far(found: Intake) -> list[str]:
    return [one for one in found.description.warnings if "far from" in one]


@pytest.mark.parametrize("wrong", [1e12, -999.0])
def test_targets_far_from_the_others_are_warned_of_in_every_format(wrong: float) -> None:
    y, whole = VALUES.copy(), np.arange(N) * 7 + 3
    y[[4, 40]] = whole[[4, 40]] = wrong
    x = np.stack([VALUES, VALUES[::-1]], axis=1)
    lines = [json.dumps({"x": [a, a, a], "y": b}) for a, b in zip(VALUES, y, strict=True)]

    found = [
        about_far(read(npz(x=x, y=y))),
        about_far(read(npz(x=x[:, :, None], y=whole, layout="NCL"), task="regression")),
        about_far(read(npz(x=[f"text {k}" for k in KINDS], y=y))),
        about_far(read(csv("a,y", VALUES, whole))),  # whole numbers that hardly repeat
        about_far(read("\n".join(lines).encode(), layout="NL")),
    ]

    for warnings in found:
        (warning,) = warnings
        assert warning.startswith(f"target 'y' has {wrong:.6g} in 2 examples, far from its other")
        assert warning.endswith("remove these examples")


def test_each_of_several_targets_is_looked_at_in_all_splits() -> None:
    y = np.stack([VALUES, VALUES], axis=1)
    y_test = y[:20].copy()
    y_test[3, 1] = -999
    x = np.stack([VALUES, VALUES[::-1]], axis=1)

    (warning,) = about_far(read(npz(x=x, y=y, x_test=x[:20] + 1, y_test=y_test)))
    assert warning.startswith("target 'y1' has -999 in 1 example")
    y[3, 1] = -999
    (warning,) = about_far(read(csv("a,b,c", *y.T, VALUES), target="a,b"))
    assert warning.startswith("target 'b' has -999")


@pytest.mark.parametrize(
    "values",
    [
        VALUES, np.exp(3 * VALUES), np.full(N, 99.0), np.arange(N) * 9.0, np.repeat([0, 99], N),
        np.append(VALUES, 3), np.full(N, np.nan), np.array([1.0, 99]),
        np.append(VALUES * 1e307, np.nan),
    ],
)  # fmt: skip
def test_values_that_spread_are_not_warned_of(values: Any) -> None:
    assert about_far_values("a", values) == ""


def test_columns_are_left_out_for_the_right_reason() -> None:
    days = [f"{1 + k % 28:02}.{1 + k % 12:02}.2024" for k in range(N)]
    degrees = [f"{value:.2f}°C" for value in VALUES]
    speeds = [f"{value:.2f} km/h" for value in VALUES]
    codes = [2**62 + k for k in KINDS]
    table = csv("a,day,t,v,code,y", VALUES, days, degrees, speeds, codes, KINDS)
    found = read(table)
    assert reason(found, "day") == "its dates are not written as 2024-12-31: convert them"
    assert reason(found, "t").startswith("its numbers have further marks")
    assert reason(found, "v").startswith("its numbers have further marks")
    assert reason(found, "code").startswith("its integers beyond 2^53 are equal as numbers")
    few = read(csv("a,day,y", VALUES, ["1-Jan-24", "2-Jan-24"] * 30, KINDS))
    assert "its dates are not written as 2024-12-31" in reason(few, "day")


def test_single_values_and_long_texts_in_arrays_are_refused_with_what_to_do() -> None:
    with pytest.raises(InvalidDataset, match="x is a single value; expected an array with an ent"):
        read(npz(x=np.float64(3), y=np.int64(1)))
    with pytest.raises(InvalidDataset, match=r"up to 5,000 characters.*: save long texts as a col"):
        read(npz(x=np.array(["a" * 5000, "b"]), y=np.array([0, 1])))


def test_an_archive_that_is_cut_off_says_so() -> None:
    with pytest.raises(InvalidDataset, match="not a zip file; if it was cut off, send or pack it"):
        read(images(["cat/1.jpg", "dog/1.jpg"])[:-60])


def test_archives_with_backslashes_and_pictures_of_browsers_are_read() -> None:
    names = [rf"pets\{kind}\{k}.jfif" for kind in ("cat", "dog") for k in range(8)]
    assert read(images(names)).arrays.class_names == ("cat", "dog")
    mixed = [*names, "pets/cat/9.jfif"]
    with pytest.raises(InvalidDataset):
        read(images(mixed))


def parquet(**columns: Any) -> bytes:
    file = io.BytesIO()
    write_table(pa.table(columns), file)
    return file.getvalue()


def test_values_in_the_names_of_folders_are_told_of_as_not_read() -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for year in (2023, 2024):
            archive.writestr(f"year={year}/part-0.parquet", parquet(a=VALUES, y=KINDS))

    notes = read(file.getvalue()).description.notes

    assert any("names of folders have values of 'year', which are not read" in one for one in notes)


def test_text_with_nul_characters_and_columns_of_files_are_refused_with_what_to_do() -> None:
    with pytest.raises(
        InvalidDataset, match=r"NUL characters, as of UTF-16 without its mark; .* U"
    ):
        read(csv("a,y", VALUES, KINDS).decode().encode("utf-16-le"))
    files = [{"bytes": b"1", "path": "1.png"}] * N
    with pytest.raises(InvalidDataset, match="holds files, as Hugging Face writes them; of images"):
        read(parquet(image=files, y=KINDS))
    with pytest.raises(
        InvalidDataset, match=r"leave it out by --leave-out COLUMN .*, or convert it"
    ):
        read(parquet(pair=[{"a": 1}] * N, y=KINDS))
    assert read(parquet(pair=[{"a": 1}] * N, b=VALUES, y=KINDS), leave_out=("pair",)).arrays.layout


def test_a_table_of_one_class_says_how_many_rows_it_lost() -> None:
    with pytest.raises(InvalidDataset, match=r"of class 'Some'.*left out: 30, those with 'None'"):
        read(csv("a,y", VALUES, ["None", "Some"] * 30))
