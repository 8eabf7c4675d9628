"""The exported model: a zip file that predicts on its own.

It holds the weights, the architecture, the preprocessing, the class names or the scale of the
predicted numbers, a model card, an ONNX file, the programs `predict.py`, `serve.py` and
`torch_program.py`, and a `Dockerfile`. The programs and the `Dockerfile` are copies of the files of
these names in this package, which the worker does not need otherwise. `manifest.json` says how the
files were checked.
"""

import io
import json
import zipfile
from importlib import resources
from typing import Any

from core.graph.architecture import Architecture
from core.graph.weights import Weights, save
from core.protocol.contracts.datasets import DatasetSpec
from core.protocol.contracts.results import Comparison, TestMetrics
from core.tasks.multi_label import THRESHOLD
from worker.trainer.data.target_scale import TargetScale
from worker.trainer.data.trained_inputs import TrainedInputs
from worker.trainer.export.card import compute_in_winner, model_card
from worker.trainer.export.check import ROUNDING as OUTPUTS_TOLERANCE
from worker.trainer.export.check import check_export, in_layout, worker_batches
from worker.trainer.export.detail import TestDetail
from worker.trainer.export.int8 import TestSplit
from worker.trainer.export.int8_report import QuantisedReport, int8_report
from worker.trainer.export.onnx_check import ROUNDING as ONNX_TOLERANCE
from worker.trainer.export.onnx_check import check_onnx, examples_checked
from worker.trainer.export.onnx_model import OnnxUnavailable, head_of, onnx_model
from worker.trainer.export.requirements import requirements
from worker.trainer.train_job import TrainJob

FORMAT = 2  # of the folder
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the oldest time of a zip entry: equal models, equal bytes


def export(
    job: TrainJob,
    architecture: Architecture,
    weights: Weights,
    inputs: TrainedInputs,
    test: TestMetrics,
    comparison: Comparison | None = None,
    seconds: float | None = None,
    split: TestSplit | None = None,
    detail: TestDetail | None = None,
) -> bytes:
    """The zip file of a trained and tested network; `seconds` are those of the final fit.

    `detail` has the test results beyond the metrics. `split` is the test split, which a file of
    eight bits is measured on, where the job has one.

    Raises:
        ExportMismatch: the exported program does not predict what the network does.
    """
    spec = job.dataset_spec
    onnx, missing = _onnx(job, architecture, weights, inputs)
    int8 = QuantisedReport()
    if job.int8 and split is not None:
        int8 = int8_report(job, onnx, missing, inputs, test, split)
    metrics = _metrics(job, test, comparison, seconds) | (detail.to_json() if detail else {})
    files = {
        "weights.safetensors": save(weights),
        "model.json": _json(architecture.to_json()),
        "preprocess.json": _json(_preprocessing(spec, inputs)),
        "classes.json": _json(list(spec.class_names)),
        "predict.py": _program("predict.py"),
        "serve.py": _program("serve.py"),
        "torch_program.py": _program("torch_program.py"),
        "Dockerfile": _program("Dockerfile"),
        "requirements.txt": requirements().encode(),
        "README.md": model_card(
            job, architecture, inputs, test, comparison, seconds, missing, int8.words, detail
        ).encode(),
        "metrics.json": _json(metrics),
        "manifest.json": _json(_manifest(architecture, inputs, missing) | int8.manifest),
        **onnx,
        **int8.files,
    }
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, data, zipfile.ZIP_DEFLATED)
    check_export(packed.getvalue(), spec, architecture, weights, inputs)
    return packed.getvalue()


def _onnx(
    job: TrainJob, architecture: Architecture, weights: Weights, inputs: TrainedInputs
) -> tuple[dict[str, bytes], str]:
    """The network as an ONNX file, or no file and the reason why it is missing."""
    spec = job.dataset_spec
    try:
        head = head_of(job.task, spec, inputs.targets)
        model = onnx_model(head, spec, inputs.normalisation, architecture, weights)
        count = examples_checked(architecture.flops, len(inputs.sample))
        (_, outputs), *_ = worker_batches(architecture, weights, inputs, count)
        check_onnx(model, head, in_layout(inputs.sample[:count], spec.layout), outputs)
    except OnnxUnavailable as error:
        return {}, str(error)
    return {"model.onnx": model}, ""


def _manifest(
    architecture: Architecture, inputs: TrainedInputs, onnx_missing: str
) -> dict[str, Any]:
    """How each file that predicts was checked, or why it is missing."""
    return {
        "predict.py": _checked(len(inputs.sample), OUTPUTS_TOLERANCE),
        "model.onnx": {"missing": onnx_missing}
        if onnx_missing
        else _checked(examples_checked(architecture.flops, len(inputs.sample)), ONNX_TOLERANCE),
    }


def _checked(examples: int, tolerance: float) -> dict[str, Any]:
    what = f"results for {examples} training examples are those of the trained network"
    return {"checked": what, "tolerance": tolerance}


def _program(name: str) -> bytes:
    return resources.files(__package__).joinpath(name).read_bytes()


def _preprocessing(spec: DatasetSpec, inputs: TrainedInputs) -> dict[str, Any]:
    """How raw examples become those that the network reads, and the range of training examples."""
    normalisation = inputs.normalisation
    return (
        {
            "format": FORMAT,
            "layout": spec.layout,  # of the user's file
            "padded": spec.padded,  # of the user's file, where its signals have different lengths
            "image_mode": spec.image_mode,  # of the user's pictures; None: the file had arrays
            "input_shape": list(spec.input_shape),  # of one example, channels first
            "table": spec.table and spec.table.model_dump(mode="json"),  # the columns of its rows
            "text": _text(spec, inputs),
            "stored_dtype": spec.dtype,
            "mean": list(normalisation.mean),  # by channel or feature, as the following
            "std": list(normalisation.std),
            "in_float64": normalisation.in_float64,
            "constant": list(normalisation.constant),
            "low": list(inputs.low),
            "high": list(inputs.high),
            "contrast": list(inputs.contrast),
        }
        | _targets(inputs.targets)
        | ({"threshold": THRESHOLD} if spec.multi_label else {})
    )


def _text(spec: DatasetSpec, inputs: TrainedInputs) -> dict[str, Any] | None:
    """How texts become token numbers; None of other examples."""
    if spec.text is None:
        return None
    return {"column": spec.text.column, "length": spec.text.length, "pieces": list(inputs.pieces)}


def _targets(targets: TargetScale | None) -> dict[str, Any]:
    """How outputs become numbers in the user's units: output × std + mean; only of regression."""
    if targets is None:
        return {}
    names = ("names", "mean", "std")
    return {"targets": {name: list(getattr(targets, name)) for name in names}}


def _metrics(
    job: TrainJob,
    test: TestMetrics,
    comparison: Comparison | None,
    seconds: float | None,
) -> dict[str, Any]:
    return {
        "metric": job.measured.metric,
        "test": test.metric,
        "test_std": test.std,
        "test_loss": test.loss,
        "test_examples": test.examples,
        **({"test_measures": test.measures} if test.measures else {}),
        "validation": job.history.get("validation"),
        "validation_std": job.history.get("validation_std"),
        "comparison": comparison and comparison.model_dump(),
        "compute_in_winner": compute_in_winner(job, comparison, seconds),
    }


def _json(value: Any) -> bytes:
    return json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False).encode()
