"""The ONNX file with weights and activations of eight bits, and what these cost in the metric.

onnxruntime chooses the scales of the activations on training examples (static quantisation, signed
bytes, one scale for each channel of a weight); only convolutions and dense layers are computed in
eight bits. The file is then run on the test split, as rounding costs more in some networks than in
others.
"""

import importlib
import importlib.util
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from torch import Tensor

from core.tasks.task import AbstractTask
from worker.tasks import AbstractLoss
from worker.trainer.data.examples import Examples
from worker.trainer.export.check import in_layout
from worker.trainer.export.onnx_heads import Head
from worker.trainer.export.onnx_model import INPUT

FILE = "model.int8.onnx"
QUANTISED = ["Conv", "Gemm", "MatMul"]  # operators of ONNX
BATCH = 256
MISSING = "onnxruntime is not installed on the worker: pip install 'netmorph[int8]'"


class Int8Unavailable(Exception):
    """The network has no file in eight bits; the message says why."""


@dataclass(frozen=True, slots=True)
class TestSplit:
    """The examples on which the file is measured, and how."""

    examples: Examples
    loss: AbstractLoss
    layout: str | None  # of the data set


@dataclass(frozen=True, slots=True)
class QuantisedFile:
    """A file in eight bits, and the metric of its results on the test split."""

    data: bytes
    metric: float
    std: float
    examples: int


def int8_in_words(made: QuantisedFile, task: AbstractTask, exact: float, size: int) -> str:
    """What eight bits save and cost, for the model card.

    `exact` is the metric of the network itself, `size` are the bytes of its ONNX file.
    """
    return (
        f"`{FILE}` is `model.onnx` with weights and activations of eight bits: "
        f"{len(made.data) / 1024:,.0f} KiB instead of {size / 1024:,.0f}. On the "
        f"{made.examples:,} test examples its {task.metric} is "
        f"{task.in_words(made.metric, made.std)}, that of the network {task.in_words(exact)}. "
        "Whether it is faster depends on the processor: measure it on yours."
    )


def int8_file(model: bytes, head: Head, sample: NDArray[Any], test: TestSplit) -> QuantisedFile:
    """The quantised ONNX file, measured; `sample` are raw training examples with channels first.

    Raises:
        Int8Unavailable: onnxruntime is missing, or cannot quantise or run the file.
    """
    if importlib.util.find_spec("onnxruntime") is None:
        raise Int8Unavailable(MISSING)
    try:
        data = _quantised(model, in_layout(sample, test.layout))
        outputs, targets = map(torch.cat, zip(*_results(data, head, test), strict=True))
    except Exception as error:  # whatever onnxruntime raises, the rest of the export is good
        raise Int8Unavailable(
            f"onnxruntime cannot quantise it: {type(error).__name__}: {error}"
        ) from error
    metric, std = test.loss.metric(outputs, targets), test.loss.metric_std(outputs, targets)
    return QuantisedFile(data, metric, std, len(targets))


def _quantised(model: bytes, sample: NDArray[Any]) -> bytes:
    """The file with eight bits; batch norms are first merged into the layers before them."""
    quantization = importlib.import_module("onnxruntime.quantization")
    preparing = importlib.import_module("onnxruntime.quantization.shape_inference")
    with TemporaryDirectory() as folder:
        given, prepared, made = (
            Path(folder) / f"{name}.onnx" for name in ("given", "prep", "int8")
        )
        given.write_bytes(model)
        preparing.quant_pre_process(str(given), str(prepared), skip_symbolic_shape=True)
        quantization.quantize_static(
            str(prepared),
            str(made),
            _Calibration(sample),
            quant_format=quantization.QuantFormat.QDQ,
            per_channel=True,
            activation_type=quantization.QuantType.QInt8,
            weight_type=quantization.QuantType.QInt8,
            op_types_to_quantize=QUANTISED,
        )
        return _plain(onnx.load(made))


class _Calibration:
    """Training examples, as onnxruntime reads them."""

    def __init__(self, sample: NDArray[Any]) -> None:
        self._batches = iter(np.array_split(sample, range(BATCH, len(sample), BATCH)))

    def get_next(self) -> dict[str, NDArray[Any]] | None:
        """The next batch by input; None after the last one."""
        batch = next(self._batches, None)
        return None if batch is None else {INPUT: np.ascontiguousarray(batch)}


def _plain(model: onnx.ModelProto) -> bytes:
    """The file without the sets of operators that it does not use: not each runtime knows them."""
    used = {node.domain for node in model.graph.node}
    sets = [one for one in model.opset_import if one.domain in used]
    del model.opset_import[:]
    model.opset_import.extend(sets)
    data: bytes = model.SerializeToString(deterministic=True)
    return data


def _results(data: bytes, head: Head, test: TestSplit) -> Iterator[tuple[Tensor, Tensor]]:
    """The outputs that the file's results mean, and the targets, batch by batch."""
    runtime = importlib.import_module("onnxruntime")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = runtime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    for x, y in test.examples.raw_batches(BATCH):
        examples = np.ascontiguousarray(in_layout(x.cpu().numpy(), test.layout))
        (results,) = session.run(None, {INPUT: examples})
        yield head.invert(results), y.cpu()
