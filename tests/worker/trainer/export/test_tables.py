"""An export turns the rows of a table into the numbers that its network was trained on."""

import asyncio
import io
import json
import sys
import zipfile
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
import numpy as np
import pyarrow as pa
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import csv, parquet

from core.data import intake
from core.data.datasets import stratified_test_split
from core.data.files import ReadLimits
from core.data.formats import ReadOptions
from core.errors import InvalidDataset
from core.graph.building import chain
from core.layers import Dense, Input, Output, ReLU
from core.protocol.states import TrialKind
from core.protocol.storage import Storage
from tests.worker.orders import order_for
from tests.worker.trainer.export.history import HISTORY
from tests.worker.trainer.running import run
from worker.trainer.environment import TrainingEnvironment
from worker.trainer.export import predict, serve
from worker.trainer.export.tables import write_table

N = 40
KINDS = (
    *("1.5", "-3", " 7 ", "+.5e1", "1e400", "2,5", "2,5e-3", "007", "7.0", "7", "1_000", "inf"),
    *("NA", "", "?", "None", "x", "true", "TRUE", "False", "a,b", 'say "b"', "été", "l1\nl2"),
    *("2024-02-29", "2024-02-30", "2023-01-01 12:30:15"),
)


@st.composite
def columns(draw: st.DrawFn) -> list[str]:
    """The cells of a column: a few of the kinds, repeated."""
    kinds = draw(st.lists(st.sampled_from(KINDS), min_size=1, max_size=4))
    pattern = draw(st.lists(st.sampled_from(kinds), min_size=N, max_size=N))
    return pattern


def written(table: pa.Table, separator: str) -> bytes:
    buffer = io.BytesIO()
    csv.write_csv(table, buffer, csv.WriteOptions(delimiter=separator))
    return buffer.getvalue()


def encoded(table: predict.Table, data: bytes) -> Any:
    """The features of the rows of a file."""
    cells = predict._cells(Path("t"), io.BytesIO(data), data[:8], table)
    return table.encode(cells)[0]


@settings(max_examples=40)
@given(
    cells=st.lists(columns(), min_size=1, max_size=3),
    separator=st.sampled_from(",;\t"),
    first=st.sampled_from(["", "sep={}\r\n"]),  # a row for Excel
)
def test_an_export_reads_cells_as_the_worker_did(
    cells: list[list[str]], separator: str, first: str
) -> None:
    y = [str(k % 2) for k in range(N)]
    columns = {f"c{k}": one for k, one in enumerate(cells)} | {"y": y}
    data = first.format(separator).encode() + written(pa.table(columns), separator)
    try:
        found = intake.read(io.BytesIO(data), ReadLimits())
    except InvalidDataset:  # no column is left
        return
    described = found.spec.table
    table = predict.Table(described.model_dump(mode="json"))

    x = encoded(table, data)

    train, test = stratified_test_split(np.arange(N) % 2, 0.2, 20181)
    dtype = found.arrays.x_train.dtype
    np.testing.assert_array_equal(x[train].astype(dtype), found.arrays.x_train)
    np.testing.assert_array_equal(x[test].astype(dtype), found.arrays.x_test)
    assert_can_be_written_back(found)


def assert_can_be_written_back(found: intake.Intake) -> None:
    """The file that an export is checked with becomes the examples that it is made of."""
    x, described = found.arrays.x_train, found.spec.table
    table = predict.Table(described.model_dump(mode="json"))
    with TemporaryDirectory() as folder:
        path = Path(folder) / "back.csv"
        write_table(described, x, path)
        back = encoded(table, path.read_bytes())
    np.testing.assert_array_equal(back.astype(x.dtype), x)


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_rows_on_the_standard_input_are_predicted_as_those_of_a_file(
    trained: tuple[intake.Intake, Path], kind: str, monkeypatch: Any, capsys: Any, tmp_path: Path
) -> None:
    as_parquet, as_text = table_of()
    lines = [json.dumps(row, default=str) for row in csv.read_csv(io.BytesIO(as_text)).to_pylist()]
    data = {"csv": as_text, "jsonl": "\n".join(lines).encode(), "parquet": as_parquet}[kind]
    (tmp_path / f"new.{kind}").write_bytes(data)
    predict.main(trained[1], [str(tmp_path / f"new.{kind}"), "--json"])
    expected = capsys.readouterr()

    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
    predict.main(trained[1], ["-", "--json"])

    assert capsys.readouterr() == expected
    assert len(expected.out.splitlines()) == N
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"number,count\n1,2\n")))
    with pytest.raises(SystemExit, match="standard input: the table has no column 'city', 'day'"):
        predict.main(trained[1], ["-"])


DAY = 86_400 * 10**6  # microseconds
TYPED = {
    "float": pa.array([0.1, -4.368932, 1e-9, 3.0] * (N // 4), pa.float32()),
    "second": pa.array([0, 10**9, 5, 9] * (N // 4), pa.timestamp("s")),
    "zone": pa.array([0, 7 * DAY + 1, 5, 9] * (N // 4), pa.timestamp("us", "Europe/Berlin")),
    "day": pa.array([0, 2_932_896, 30_000_000, None] * (N // 4), pa.date32()),
    "far": pa.array([0, 10**13, 5, None] * (N // 4), pa.timestamp("s")),
    "few": pa.array([None] + [0, 10**9, 11, 15] * (N // 4 - 1) + [7, 7, 9], pa.timestamp("us")),
    "view": pa.array(["a", "b", None, "c"] * (N // 4), pa.string_view()),
    "bytes": pa.array([b"a", "\u00e9".encode(), None, b"c"] * (N // 4)),
    "coded": pa.array([b"1.5", b"2", None, b"7.0"] * (N // 4)).dictionary_encode(),
    "grades": pa.array([1, 20, None, 3] * (N // 4)).dictionary_encode(),
    "halves": pa.array([1.0, 2.5, None, 1e20] * (N // 4)).dictionary_encode(),
    "decimal": pa.array([Decimal("1.50"), Decimal("-2"), None, Decimal("7")] * (N // 4)),
    "nanos": pa.array([f"2024-01-0{k % 4 + 1} 12:00:00.{k % 4}23456789" for k in range(N)]),
    "rare": pa.array(["a", "b"] * (N // 2 - 3) + ["c", "d", "e", None, None, "f"]),
}


@pytest.mark.parametrize("as_categories", [False, True])
@pytest.mark.parametrize("name", TYPED)
def test_an_export_reads_typed_columns_as_the_worker_did(name: str, as_categories: bool) -> None:
    buffer = io.BytesIO()
    values = {"c": TYPED[name], "x": np.arange(N) * 1.5 % 7, "y": [k % 2 for k in range(N)]}
    parquet.write_table(pa.table(values), buffer)
    options = ReadOptions(categories=("c",) * as_categories)

    found = intake.read(buffer, ReadLimits(), options)

    table = predict.Table(found.spec.table.model_dump(mode="json"))
    x = encoded(table, buffer.getvalue())
    train, test = stratified_test_split(np.arange(N) % 2, 0.2, 20181)
    dtype = found.arrays.x_train.dtype
    assert "c" in table.names
    np.testing.assert_array_equal(x[train].astype(dtype), found.arrays.x_train)
    np.testing.assert_array_equal(x[test].astype(dtype), found.arrays.x_test)
    assert_can_be_written_back(found)


def table_of(**changes: Any) -> tuple[bytes, bytes]:
    """The same table as Parquet and as text."""
    rng = np.random.default_rng(0)
    days = np.datetime64("2024-01-01T06:30:00", "us") + rng.integers(0, 10**14, N)
    columns = {
        "number": rng.normal(0, 1e-3, N),
        "count": pa.array([None if k % 5 == 0 else k % 11 for k in range(N)]),
        "city": pa.array([("Oslo", "Rome", "Bonn", None)[k % 4 if k > 2 else 2] for k in range(N)]),
        "day": days,
        "vip": rng.random(N) < 0.5,
        "y": [f"class {k % 2}" for k in range(N)],
    }
    table = pa.table(columns | changes)
    buffer = io.BytesIO()
    parquet.write_table(table, buffer)
    return buffer.getvalue(), written(table, ",")


def test_text_and_parquet_become_the_same_numbers_and_can_be_written_back(tmp_path: Path) -> None:
    as_parquet, as_text = table_of()

    found, other = (intake.read(io.BytesIO(data), ReadLimits()) for data in (as_parquet, as_text))

    assert found.spec == other.spec
    np.testing.assert_array_equal(found.arrays.x_train, other.arrays.x_train)
    table = predict.Table(found.spec.table.model_dump(mode="json"))
    np.testing.assert_array_equal(encoded(table, as_parquet), encoded(table, as_text))
    write_table(found.spec.table, found.arrays.x_train, tmp_path / "back.csv")
    x = encoded(table, (tmp_path / "back.csv").read_bytes())
    np.testing.assert_array_equal(x.astype(found.arrays.x_train.dtype), found.arrays.x_train)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[intake.Intake, Path]:
    """A table, and the export of a small network that was trained on it."""
    return learned(table_of()[1], tmp_path_factory.mktemp("table"))


def learned(data: bytes, folder: Path, **changes: Any) -> tuple[intake.Intake, Path]:
    """The table in a file, and the export of a small network that was trained on it."""
    found = intake.read(io.BytesIO(data), ReadLimits())
    storage = Storage((folder / "storage").as_uri())
    outputs = Dense(found.spec.outputs)
    network = chain(iter([Input(found.spec.input_shape), Dense(4), ReLU(), outputs, Output()]))
    order = order_for(
        storage, found.arrays, network, changes, kind=TrialKind.FINAL, history=HISTORY,
        task=found.arrays.task,
    )  # fmt: skip
    environment = TrainingEnvironment(
        storage=storage, cache=folder, device=torch.device("cpu"), threads=1
    )
    ended, _ = run(order, environment)
    with zipfile.ZipFile(io.BytesIO(storage.get(ended.export))) as archive:
        archive.extractall(folder / "export")
    return found, folder / "export"


def with_comma(value: Any) -> str:
    return str(value).replace(".", ",") if isinstance(value, float) else str(value)


def served(folder: Path, body: dict[str, Any] | None = None) -> httpx.Response:
    """The answer of the server of an export to a request for predictions, or to none."""
    transport = httpx.ASGITransport(serve.create_app(predict, folder))

    async def answer() -> httpx.Response:
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            return await (client.post("/predict", json=body) if body else client.get("/health"))

    return asyncio.run(answer())


def test_an_export_predicts_the_rows_of_a_file_and_of_a_request(
    trained: tuple[intake.Intake, Path], tmp_path: Path
) -> None:
    found, folder = trained
    model = predict.Model(folder)
    expected = model.probabilities(found.arrays.x_test)
    rows = csv.read_csv(io.BytesIO(table_of()[1])).to_pylist()
    _, test = stratified_test_split(np.arange(N) % 2, 0.2, 20181)
    rows = [rows[k] | {"day": str(rows[k]["day"])} for k in test]
    names = [*rows[0]][::-1]
    lines = [";".join(with_comma(row[name]) for name in names) for row in rows]
    (tmp_path / "new.csv").write_text("\n".join([";".join(names), *lines]))

    source = predict.Reader(model).source(tmp_path / "new.csv")
    watch = predict.RangeWatch(model.preprocess)
    in_file = [row for _, row in predict.predictions(model, source, watch)]
    (tmp_path / "new.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    objects = predict.Reader(model).source(tmp_path / "new.jsonl")
    np.testing.assert_array_equal(objects.read(0, N), source.read(0, N))
    answer = served(folder, {"examples": [*rows, rows[0] | {"number": 9e9}]}).json()

    np.testing.assert_allclose(in_file, expected, atol=1e-6)
    found_in_rows = [[*one["probabilities"].values()] for one in answer["predictions"]]
    np.testing.assert_allclose(found_in_rows[:-1], expected, atol=2e-6)
    assert "9e+09 in column 'number', where the training data has" in "".join(answer["warnings"])
    assert served(folder).json()["columns"] == model.table.names
    refused = served(folder, {"examples": [[1, 2, 3]]})
    assert (refused.status_code, refused.json()["detail"]) == (
        422, "the example at index 0 is no object {column: value}"
    )  # fmt: skip


@pytest.mark.parametrize("task", ["classes", "numbers"])
def test_the_card_says_how_rows_become_the_input_of_the_onnx_file(
    trained: tuple[intake.Intake, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    task: str,
) -> None:
    pytest.importorskip("onnxruntime")
    data = table_of()[1] if task == "classes" else table_of(y=1e3 + np.arange(N) / 7)[1]
    found, folder = trained if task == "classes" else learned(data, tmp_path)
    (folder / "new.csv").write_bytes(data)
    card = (folder / "README.md").read_text("utf-8")
    code = card.split("## ONNX")[1].split("```python\n")[1].split("```")[0]
    monkeypatch.chdir(folder)
    monkeypatch.setitem(sys.modules, "predict", predict)  # of which the folder has a copy

    results: dict[str, Any] = {}
    exec(compile(code, "card", "exec"), results)

    width = found.spec.input_shape[0]
    assert f"{width} numbers that `predict.py` computes" in card
    assert f"# {found.spec.dtype} (N, {width}), axes NF" in code
    model = predict.Model(folder)
    rows = predict.Reader(model).source(folder / "new.csv")
    expected = model.restored if task == "numbers" else predict.probabilities_of
    outputs = model.outputs(model.normalise(rows.read(0, rows.count)))
    name = "values" if task == "numbers" else "probabilities"
    np.testing.assert_allclose(results[name], expected(outputs, str), rtol=1e-5, atol=1e-5)
    assert capsys.readouterr().out
    use = card.split("## Use")[1].split("## ONNX")[0]
    assert "python predict.py new.csv" in use
    assert ".npy" not in use
    assert "pictures" not in use


def test_numbers_are_predicted_from_rows_in_the_units_of_the_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(0)
    rooms, town = rng.normal(size=200), rng.integers(0, 2, 200)
    names = np.array(["Bonn", "Rome"])[town]
    price = 1e4 + 10 * rooms + 20 * town + rng.normal(size=200)
    data = written(pa.table({"rooms": rooms, "town": names, "price": price}), ",")
    data = data.replace(b'"price"', b'"y"')
    found, folder = learned(data, tmp_path, epochs=40, learning_rate=0.05)
    (tmp_path / "new.csv").write_bytes(data)

    assert found.spec.target_names == ("y",)
    monkeypatch.setattr("sys.argv", ["predict.py", str(tmp_path / "new.csv")])
    predict.main(folder)
    printed = np.array(capsys.readouterr().out.split(), float)
    row = {"rooms": rooms[0], "town": names[0]}
    answer = served(folder, {"examples": [row]}).json()

    assert np.std(printed - price) < 0.5 * np.std(price)
    assert abs(np.mean(printed - price)) < 3
    assert answer["predictions"] == [{"values": {"y": pytest.approx(printed[0], rel=1e-6)}}]
    assert {"targets": ["y"], "columns": ["rooms", "town"]}.items() <= served(folder).json().items()


@pytest.fixture(scope="module")
def table() -> predict.Table:
    found = intake.read(io.BytesIO(table_of()[1]), ReadLimits(), ReadOptions(target="y"))
    assert found.spec.table is not None
    return predict.Table(found.spec.table.model_dump(mode="json"))


HEADER = "vip,day,city,count,number\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("vip,day,city,number\n", "the table has no column 'count'; expected columns 'number'"),
        ("number\n1\n", "the table has no column 'count', 'city', 'day', 'vip'"),
        ("", "the table has no column 'number'"),
        ('{"vip": 1}', "no line has 'number', 'count', 'city', 'day'; expected columns 'number'"),
        ('{"vip": 1}\n[1]', "line 2 is no object {column: value}"),
        ('{"vip": 1}\n{"vip', "line 2 is no JSON: Unterminated string"),
        ('{"vip": ' + "[" * 100_000, "line 1 is no JSON: "),
        (HEADER + "1,2\n", "row 2 has 2 cells; expected 5"),
        ("vip," + HEADER, "there are several columns 'vip'; expected one of each"),
    ],
)
def test_other_tables_are_refused(table: predict.Table, text: str, message: str) -> None:
    with pytest.raises(predict.InputError) as caught:
        encoded(table, text.encode())

    assert message in str(caught.value)


def test_arrays_are_no_tables(table: predict.Table) -> None:
    with pytest.raises(predict.InputError, match=r"x.npy is no table: expected a CSV"):
        predict._cells(Path("x.npy"), io.BytesIO(), b"\x93NUMPY", table)


def test_unusual_cells_are_told_in_warnings(table: predict.Table) -> None:
    rows = [
        {"number": "much", "count": None, "city": "Paris", "day": "soon", "vip": None, "more": 1},
        {"number": 1, "count": 2, "city": "Rome", "day": "2024-03-01", "vip": True},
    ]

    x, warnings = table.encode(predict.cells_of(rows, table.names))

    assert x.shape == (2, len(table.features))
    said = dict(warning.removeprefix("column ").split(": ", 1) for warning in warnings)
    assert said == {
        "'number'": "cells that are no number count as missing: 1, the first 'much' at index 0",
        "'city'": "categories that training did not have: 1, the first 'Paris' at index 0",
        "'day'": "cells that are no date count as missing: 1, the first 'soon' at index 0",
        "'vip'": "cells without a value, of which training had few or none: 1",
    }
    with pytest.raises(predict.InputError, match=r"index 1 has no 'vip'; expected a value, or"):
        predict.cells_of([rows[0], {"number": 1, "count": 2, "city": "a", "day": "b"}], table.names)
