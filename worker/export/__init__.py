"""The exported model: a zip file that predicts on its own.

It holds the weights, the architecture, the preprocessing, the class names, a model card and the
program `predict.py`, a plain copy of the module of that name here.
"""

import io
import json
import zipfile
from importlib import resources
from typing import Any

from core.graph.architecture import Architecture
from core.graph.weights import Weights, save
from core.protocol.contracts import Comparison, DatasetSpec, TestMetrics, TrainOrder
from core.tasks import TASKS
from worker.data import Normalisation
from worker.export.card import compute_in_winner, model_card

FORMAT = 1  # of the folder
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the oldest time of a zip entry: equal models, equal bytes


def export(
    order: TrainOrder,
    architecture: Architecture,
    weights: Weights,
    normalisation: Normalisation,
    test: TestMetrics,
    comparison: Comparison | None = None,
    seconds: float | None = None,
) -> bytes:
    """The zip file of a trained and tested network; `seconds` are those of the final fit."""
    spec = order.dataset_spec
    files = {
        "weights.safetensors": save(weights),
        "model.json": _json(architecture.to_json()),
        "preprocess.json": _json(_preprocessing(spec, normalisation)),
        "classes.json": _json(list(spec.class_names)),
        "predict.py": resources.files(__package__).joinpath("predict.py").read_bytes(),
        "README.md": model_card(order, architecture, test, comparison, seconds).encode(),
        "metrics.json": _json(_metrics(order, test, comparison, seconds)),
    }
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, data, zipfile.ZIP_DEFLATED)
    return packed.getvalue()


def _preprocessing(spec: DatasetSpec, normalisation: Normalisation) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "input_shape": list(spec.input_shape),
        "stored_dtype": spec.dtype,
        "mean": list(normalisation.mean),
        "std": list(normalisation.std),
    }


def _metrics(
    order: TrainOrder, test: TestMetrics, comparison: Comparison | None, seconds: float | None
) -> dict[str, Any]:
    name = TASKS[order.task].metric
    return {
        "metric": name,
        "test": test.metric,
        "test_std": TASKS[order.task]().value_std(test.metric, test.examples),
        "test_loss": test.loss,
        "test_examples": test.examples,
        "validation": order.history.get("validation"),
        "validation_std": order.history.get("validation_std"),
        "comparison": comparison and comparison.model_dump(),
        "compute_in_winner": compute_in_winner(order, comparison, seconds),
    }


def _json(value: Any) -> bytes:
    return json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False).encode()
