"""An export of a network for texts predicts from files, from requests, and from token numbers."""

import asyncio
import io
import json
import sys
import zipfile
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import torch

from core.data import intake
from core.data.files import ReadLimits
from core.data.formats import ReadOptions
from core.graph.roots import all_roots
from core.protocol.contracts.bounds import Bounds
from core.protocol.states import TrialKind, TrialStatus
from core.protocol.storage import Storage
from tests.core.data.test_texts import LABELS, TEXTS, as_csv
from tests.worker.orders import order_for
from tests.worker.trainer.export.history import HISTORY
from tests.worker.trainer.running import run
from worker.trainer.environment import TrainingEnvironment
from worker.trainer.export import predict, serve

NEW = {"late.txt": "A late goal won the match!", "rate.txt": "Prices: the bank raised the rate 😀"}


@pytest.fixture(scope="module", params=["text-cnn", "bag-of-words"])
def export(request, tmp_path_factory) -> Path:
    """The export of a small network that was trained on texts."""
    folder = tmp_path_factory.mktemp("texts")
    found = intake.read(io.BytesIO(as_csv()), ReadLimits(), ReadOptions(text="text"))
    storage = Storage((folder / "storage").as_uri())
    network = all_roots(found.spec, Bounds(), scale=0.25)[request.param]
    quick = {"epochs": 12, "optimiser": "muon"}
    order = order_for(storage, found.arrays, network, quick, kind=TrialKind.FINAL, history=HISTORY)
    environment = TrainingEnvironment(
        storage=storage, cache=folder, device=torch.device("cpu"), threads=1
    )
    ended, _ = run(order, environment)
    assert ended.status is TrialStatus.COMPLETED
    assert ended.test.metric == 1.0
    with zipfile.ZipFile(io.BytesIO(storage.get(ended.export))) as archive:
        archive.extractall(folder / "export")
    return folder / "export"


def printed(
    folder: Path, capsys: pytest.CaptureFixture[str], *paths: Path
) -> tuple[list[str], str]:
    """The lines and the warnings of the exported program."""
    predict.main(folder, [str(path) for path in paths])
    found = capsys.readouterr()
    return found.out.splitlines(), found.err


def test_texts_are_predicted_from_tables_files_and_folders(export, tmp_path, capsys) -> None:
    (tmp_path / "new.csv").write_bytes(as_csv())
    lines = [json.dumps({"text": text}) for text in [*NEW.values(), ""]]
    (tmp_path / "new.jsonl").write_text("\n".join(lines))
    (tmp_path / "news").mkdir()
    for name, text in NEW.items():
        (tmp_path / "news" / name).write_text(text)

    assert printed(export, capsys, tmp_path / "new.csv") == (LABELS, "")
    in_lines, warned = printed(export, capsys, tmp_path / "new.jsonl")
    assert in_lines[:2] == ["sport", "money"]
    assert "texts without any word: 1" in warned
    in_folder, _ = printed(export, capsys, tmp_path / "news", tmp_path / "news" / "late.txt")
    assert [line.split("\t")[1] for line in in_folder] == ["sport", "money", "sport"]
    (tmp_path / "other.csv").write_text("body,x\na,b\n")
    with pytest.raises(SystemExit, match="has no column 'text'; expected one with texts"):
        predict.main(export, [str(tmp_path / "other.csv")])


def served(folder: Path, body: dict[str, Any]) -> httpx.Response:
    """The answer of the server of an export to a request for predictions."""
    transport = httpx.ASGITransport(serve.create_app(predict, folder))

    async def answer() -> httpx.Response:
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            return await client.post("/predict", json=body)

    return asyncio.run(answer())


def test_texts_are_predicted_over_http(export) -> None:
    for examples in ([*NEW.values()], [{"text": text} for text in NEW.values()]):
        found = served(export, {"examples": examples}).json()["predictions"]
        assert [one["class"] for one in found] == ["sport", "money"]
    refused = served(export, {"examples": [[1, 2]]})
    assert refused.status_code == 422
    assert "an example is no text; expected strings" in refused.json()["detail"]


def test_several_labels_of_texts_in_groups_are_learned_and_predicted(tmp_path, capsys) -> None:
    rows = [
        {"text": text, "author": k // 2, "sport": int("team" in text), "early": int(k < 20)}
        for k, text in enumerate(TEXTS)
    ]
    lines = "\n".join(json.dumps(row) for row in rows).encode()
    options = ReadOptions(text="text", target="sport,early", group="author")
    found = intake.read(io.BytesIO(lines), ReadLimits(), options)
    assert found.spec.split.column == "author"
    storage = Storage((tmp_path / "storage").as_uri())
    order = order_for(
        storage,
        found.arrays,
        all_roots(found.spec, Bounds(), scale=0.25)["bag-of-words"],
        {"epochs": 20, "optimiser": "muon", "class_weights": "balanced"},
        kind=TrialKind.FINAL,
        history=HISTORY,
        task="multi-label",
        metric="macro-f1",
    )
    environment = TrainingEnvironment(
        storage=storage, cache=tmp_path, device=torch.device("cpu"), threads=1
    )
    ended, _ = run(order, environment)
    assert ended.status is TrialStatus.COMPLETED
    with zipfile.ZipFile(io.BytesIO(storage.get(ended.export))) as archive:
        archive.extractall(tmp_path / "export")
    (tmp_path / "new.jsonl").write_bytes(lines)

    predicted, _ = printed(tmp_path / "export", capsys, tmp_path / "new.jsonl")

    assert ["sport" in line.split("\t") for line in predicted] == [
        bool(row["sport"]) for row in rows
    ]
    card = (tmp_path / "export" / "README.md").read_text("utf-8")
    assert "| test macro F1 |" in card
    assert "set aside at random: no group is in two splits" in card
    assert "the labels of one example a line" in card
    answers = served(tmp_path / "export", {"examples": [*NEW.values()]}).json()["predictions"]
    assert [set(one["probabilities"]) for one in answers] == [{"sport", "early"}] * 2


def test_the_card_says_how_texts_become_the_input_of_the_onnx_file(
    export, monkeypatch, capsys
) -> None:
    pytest.importorskip("onnxruntime")
    (export / "new.csv").write_bytes(as_csv())
    card = (export / "README.md").read_text("utf-8")
    code = card.split("## ONNX")[1].split("```python\n")[1].split("```")[0]
    monkeypatch.chdir(export)
    monkeypatch.setitem(sys.modules, "predict", predict)  # of which the folder has a copy

    results: dict[str, Any] = {}
    exec(compile(code, "card", "exec"), results)

    model = predict.Model(export)
    expected = model.probabilities(model.text.encode(TEXTS)[0])
    np.testing.assert_allclose(results["probabilities"], expected, atol=1e-5)
    assert capsys.readouterr().out
    assert "# int32 (N, 16), axes NL" in code
    assert "the column text of a CSV" in card.split("## Use")[1].split("## ONNX")[0]
