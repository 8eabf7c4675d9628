"""An export is offered only if it predicts what the worker does.

The exported files are unpacked and read by the exported program, as a user would; the examples are
real training examples, in a file with the axes and type of the user's.
"""

import io
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from core.data.texts.vocabulary import Vocabulary
from core.errors import ExportMismatch
from core.graph.architecture import Architecture
from core.graph.weights import Weights
from core.protocol.contracts.datasets import DatasetSpec
from worker.trainer.data.examples import Examples
from worker.trainer.data.trained_inputs import SAMPLE, TrainedInputs
from worker.trainer.export import predict
from worker.trainer.export.tables import write_table, write_texts
from worker.trainer.networks.compute import Compute
from worker.trainer.networks.loading import network_with

ROUNDING = 1e-5  # of the largest output: about a hundred steps of single precision
_FILE = "examples"
_CPU = torch.device("cpu")
_NO_WEIGHT = np.empty(0)


def check_export(
    packed: bytes,
    spec: DatasetSpec,
    architecture: Architecture,
    weights: Weights,
    inputs: TrainedInputs,
) -> None:
    """Raise ExportMismatch unless the export's outputs for the sample are those of the worker.

    Of texts the sample is what the worker's vocabulary makes of the texts that have its tokens.

    Weights and prepared examples must be equal. Outputs may differ by rounding: a processor's
    libraries add in another order for another position in memory.
    """
    texts = []
    if spec.text is not None:
        vocabulary = Vocabulary(inputs.pieces)
        texts = [vocabulary.decode(tokens) for tokens in inputs.sample[:, 0]]
        inputs = replace(inputs, sample=vocabulary.encode(texts, spec.text.length))
    with TemporaryDirectory() as folder:
        _unpack(packed, spec, inputs.sample, texts, Path(folder))
        model = predict.Model(Path(folder))
        _check_weights(model, weights)
        try:
            found = [*_exported_batches(model, Path(folder))]
        except predict.InputError as error:
            raise ExportMismatch(
                f"the exported program refuses training examples in the form of their file: {error}"
            ) from error
    expected = [*worker_batches(architecture, weights, inputs)]
    x_found, outputs_found = map(torch.cat, zip(*found, strict=True))
    x_expected, outputs_expected = map(torch.cat, zip(*expected, strict=True))
    _check_close("prepared values", x_found, x_expected, tolerance=0)
    _check_close("outputs", outputs_found, outputs_expected, tolerance=ROUNDING)
    if inputs.targets is not None:
        numbers = torch.from_numpy(model.restored(outputs_expected, str))
        expected_numbers = torch.from_numpy(inputs.targets.restored(outputs_expected.numpy()))
        _check_close("numbers", numbers, expected_numbers, tolerance=0)


def in_layout(x: NDArray[Any], layout: str | None) -> NDArray[Any]:
    """Examples (N, channels, ...) with their axes in the order of a layout."""
    if layout is None or layout == "NF":
        return x
    return np.moveaxis(x, 1, layout.index("C")) if "C" in layout else x[:, 0]


def _unpack(
    packed: bytes, spec: DatasetSpec, sample: NDArray[Any], texts: list[str], folder: Path
) -> None:
    """Write the exported files, and the sample as a user's file would have it."""
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        archive.extractall(folder)
    if spec.table is not None:
        write_table(spec.table, sample, folder / _FILE)
        return
    if spec.text is not None:
        write_texts(spec.text, texts, folder / _FILE)
        return
    with (folder / _FILE).open("wb") as file:
        if spec.padded is None:
            np.save(file, in_layout(sample, spec.layout))
        else:
            np.save(file, in_layout(_without_mask(sample), spec.padded))


def _without_mask(x: NDArray[Any]) -> NDArray[Any]:
    """Signals that end with NaN where their mask says so, without the mask."""
    return np.where(x[:, -1:] > 0, x[:, :-1], np.nan).astype(x.dtype)


def _exported_batches(model: predict.Model, folder: Path) -> Iterator[tuple[Tensor, Tensor]]:
    """The prepared examples and the outputs of the exported program, batch by batch."""
    for _, x in predict.Reader(model).source(folder / _FILE).batches():
        prepared = model.normalise(x)
        yield prepared, model.outputs(prepared)


@torch.inference_mode()
def worker_batches(
    architecture: Architecture, weights: Weights, inputs: TrainedInputs, count: int = SAMPLE
) -> Iterator[tuple[Tensor, Tensor]]:
    """The worker's own batches of the first `count` examples and its network's outputs for them."""
    network = network_with(architecture, weights, Compute(_CPU)).eval()
    sample = inputs.sample[:count]
    labels = np.zeros(len(sample), np.int64)
    examples = Examples(sample, labels, inputs.normalisation, _CPU)
    for x, _ in examples.batches(predict.BATCH):
        yield x, network(x)


def _check_weights(model: predict.Model, weights: Weights) -> None:
    """Raise ExportMismatch unless the exported weights are these."""
    exported = {
        (node, name): tensor.numpy()
        for node, parameters in model.parameters.items()
        for name, tensor in parameters.items()
    }
    expected = {
        (node, name): array
        for node, parameters in weights.items()
        for name, array in parameters.items()
    }
    unequal = [
        key
        for key in sorted(exported.keys() | expected.keys())
        if not np.array_equal(exported.get(key, _NO_WEIGHT), expected.get(key, _NO_WEIGHT))
    ]
    if unequal:
        names = ", ".join(f"{node}.{name}" for node, name in unequal)
        raise ExportMismatch(f"exported weights differ from those of the network: {names}")


def _check_close(what: str, found: Tensor, expected: Tensor, *, tolerance: float) -> None:
    """Raise ExportMismatch if values differ by more than the tolerance of the largest one."""
    largest = float((found - expected).abs().max())
    allowed = tolerance * max(1.0, float(expected.abs().max()))
    if not largest <= allowed:
        raise ExportMismatch(
            f"the exported program's {what} for {len(expected)} training examples differ from "
            f"those of the network by up to {largest:g}; expected at most {allowed:g}"
        )
