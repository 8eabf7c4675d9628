"""Serve the exported network over HTTP: python serve.py [--host 127.0.0.1] [--port 8000]

Needs fastapi and uvicorn beside what predict.py needs (requirements.txt).

GET  /health         {"status": "ok", "classes": [...], "input_shape": [...], "layout": ...}
POST /predict        {"examples": [...], "layout": null}: nested lists with the axes of the data
                     set, objects {"column": value, ...} where it was a table, or strings where
                     it was texts
POST /predict/file   the bytes of a .npy, .npz, .csv, .jsonl or .parquet file or of a picture

Both answer {"predictions": [{"class": ..., "probabilities": {...}}, ...], "warnings": [...]}, in
the order of the examples; a network that predicts numbers has {"values": {...}} for each example,
one that predicts several labels {"labels": [...], "probabilities": {...}}.
422 says what is wrong with the examples, 413 that there are too many bytes.
"""

import argparse
import importlib.util
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import uvicorn
from fastapi import FastAPI, HTTPException, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse
from pydantic import BaseModel

FOLDER = Path(__file__).parent
LARGEST_BODY = 64 * 2**20  # bytes


def _program() -> Any:
    """The module predict.py of this folder, also where Python does not look into it."""
    spec = importlib.util.spec_from_file_location("predict", FOLDER / "predict.py")
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules["predict"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Examples(BaseModel):
    """The body of a request."""

    examples: list[Any]
    layout: str | None = None


class Prediction(BaseModel):
    """One prediction, of a class or of numbers; `class` is a word of Python."""

    model_config = {"extra": "allow"}

    labels: list[str] | None = None
    probabilities: dict[str, float] | None = None
    values: dict[str, float] | None = None


class Predictions(BaseModel):
    """The body of an answer."""

    predictions: list[Prediction]
    warnings: list[str]


async def limit_body(request: Request, call_next: Any) -> Any:
    """Refuse large bodies before they are read."""
    length = request.headers.get("content-length", "")
    if request.method == "POST" and not (length.isdigit() and int(length) <= LARGEST_BODY):
        message = f"send a content-length of at most {LARGEST_BODY} bytes: fewer examples"
        return JSONResponse({"detail": message}, 413)
    return await call_next(request)


class _Answers:
    """Answers requests with the network of a folder; examples that do not suit it are a 422."""

    def __init__(self, predict: Any, folder: Path) -> None:
        self.predict, self.model = predict, predict.Model(folder)

    def about(self) -> dict[str, Any]:
        """What the network reads and which classes or numbers it predicts."""
        model = self.model
        shape = {"input_shape": model.shape, "layout": model.padded or model.layout}
        columns = model.table or model.text
        table = {} if columns is None else {"columns": columns.names}
        targets = {"targets": model.targets["names"]} if model.targets else {}
        return {"status": "ok", "classes": model.classes, **targets, **shape, **table}

    def of_body(self, body: Examples) -> Predictions:
        """The predictions of nested lists, of objects of a table, or of texts."""
        if self.model.text is not None:
            return self._answer(lambda reader: self._texts(reader, body.examples))
        if self.model.table is not None:
            return self._answer(lambda reader: self._rows(reader, body.examples))
        try:
            if self.model.padded:
                return self._answer(lambda reader: self._signals(reader, body))
            x = np.array(body.examples)
        except ValueError:
            raise HTTPException(422, "the examples are not all of one shape") from None
        return self._answer(lambda reader: reader.array_source(Path("examples"), x, body.layout))

    def of_file(self, content: bytes) -> Predictions:
        """The predictions of the examples in the bytes of a file."""
        with tempfile.TemporaryDirectory() as name:
            path = Path(name) / "examples"
            path.write_bytes(content)
            return self._answer(lambda reader: reader.source(path), path)

    def _signals(self, reader: Any, body: Examples) -> Any:
        x = self.model.together(body.examples, body.layout)
        return reader.array_source(Path("examples"), x, body.layout)

    def _texts(self, reader: Any, texts: list[Any]) -> Any:
        column = self.model.text.column
        if any(isinstance(text, dict) for text in texts):
            texts = self.predict.cells_of(texts, [column]).columns[column]
        if not all(isinstance(text, str) for text in texts):
            raise self.predict.InputError(
                f"an example is no text; expected strings, or objects {{{column!r}: text}}"
            )
        return reader.text_source(Path("examples"), texts, None)

    def _rows(self, reader: Any, rows: list[Any]) -> Any:
        cells = self.predict.cells_of(rows, self.model.table.names)
        return reader.table_source(Path("examples"), cells)

    def _answer(self, open_source: Any, path: Path | None = None) -> Predictions:
        """The predictions of examples, which are read from `path` if it is given."""
        predict, model = self.predict, self.model
        watch = predict.RangeWatch(model.preprocess)
        try:
            source = open_source(predict.Reader(model))
            rows = [row for _, row in predict.predictions(model, source, watch)]
        except predict.InputError as error:
            raise HTTPException(422, _without(path, str(error))) from None
        found = [Prediction(**predict.as_json(model, row, None)) for row in rows]
        warnings = [*source.warnings, *watch.warnings(source)]
        return Predictions(predictions=found, warnings=[_without(path, one) for one in warnings])


def _without(path: Path | None, message: str) -> str:
    """A message that names no file of this machine, which the client does not know.

    An example of a request or of a file is named by its index alone.
    """
    if path is None:
        return message.replace("first: examples at index", "first: index")
    return message.replace(f"{path} at index", "index").replace(str(path), "the file")


def create_app(predict: Any, folder: Path) -> FastAPI:
    """The application that predicts with the network of a folder."""
    app = FastAPI(title="Predictions of a network found by Netmorph")
    app.middleware("http")(limit_body)
    answers = _Answers(predict, folder)

    @app.get("/health")
    def health() -> dict[str, Any]:
        """What the network reads and which classes or numbers it predicts."""
        return answers.about()

    @app.post("/predict", response_model_exclude_unset=True)
    def predict_examples(body: Examples) -> Predictions:
        """Predict examples that are given as nested lists, objects of a table, or texts."""
        return answers.of_body(body)

    @app.post("/predict/file", response_model_exclude_unset=True)
    async def predict_file(request: Request) -> Predictions:
        """Predict the examples in a .npy or .npz file, a table or a picture."""
        return await run_in_threadpool(answers.of_file, await request.body())

    return app


def main() -> None:
    """Serve until the process is ended."""
    parser = argparse.ArgumentParser(description="Serve an exported network over HTTP.")
    parser.add_argument("--host", default="127.0.0.1", help="0.0.0.0 to be reached from outside")
    parser.add_argument("--port", type=int, default=8000)
    options = parser.parse_args()
    uvicorn.run(create_app(_program(), FOLDER), host=options.host, port=options.port)


if __name__ == "__main__":
    main()
