"""What an export and its manifest and card say of the ONNX file of eight bits."""

from dataclasses import dataclass, field
from typing import Any

from core.protocol.contracts.results import TestMetrics
from worker.trainer.data.trained_inputs import TrainedInputs
from worker.trainer.export.int8 import FILE as INT8
from worker.trainer.export.int8 import Int8Unavailable, TestSplit, int8_file, int8_in_words
from worker.trainer.export.onnx_model import head_of
from worker.trainer.train_job import TrainJob


@dataclass(frozen=True, slots=True)
class QuantisedReport:
    """The ONNX file of eight bits, or why there is none; empty where none was requested."""

    files: dict[str, bytes] = field(default_factory=dict)
    manifest: dict[str, Any] = field(default_factory=dict)
    words: str = ""  # for the model card


def int8_report(
    job: TrainJob,
    onnx: dict[str, bytes],
    missing: str,
    inputs: TrainedInputs,
    test: TestMetrics,
    split: TestSplit,
) -> QuantisedReport:
    """The file of eight bits; `onnx` has the one that it is made of, or `missing` says why not."""
    try:
        if not onnx:
            raise Int8Unavailable(f"there is no ONNX file to begin with: {missing}")
        head = head_of(job.task, job.dataset_spec, inputs.targets)
        made = int8_file(onnx["model.onnx"], head, inputs.sample, split)
    except Int8Unavailable as error:
        words = f"There is no `{INT8}`: {error}."
        return QuantisedReport({}, {INT8: {"missing": str(error)}}, words)
    found = {
        "measured": f"{job.measured.metric} on the {made.examples} test examples",
        "test": made.metric,
        "test_of_network": test.metric,
        "lost": job.measured.objective(test.metric) - job.measured.objective(made.metric),
    }
    words = int8_in_words(made, job.measured, test.metric, len(onnx["model.onnx"]))
    return QuantisedReport({INT8: made.data}, {INT8: found}, words)
