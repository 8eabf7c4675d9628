"""An export is offered only if it predicts what the worker does, bit for bit.

The exported files are unpacked and read by the exported program, as a user would; the examples are
real training examples, in a file with the axes and type of the user's.
"""

import io
import zipfile
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from core.errors import ExportMismatch
from core.graph.architecture import Architecture
from core.graph.weights import Weights
from core.protocol.contracts import DatasetSpec
from worker.trainer.data.examples import Examples
from worker.trainer.data.trained_inputs import TrainedInputs
from worker.trainer.export import predict
from worker.trainer.networks.compute import Compute
from worker.trainer.networks.loading import network_with

_CPU = torch.device("cpu")


def check_export(
    packed: bytes,
    spec: DatasetSpec,
    architecture: Architecture,
    weights: Weights,
    inputs: TrainedInputs,
) -> None:
    """Raise ExportMismatch unless the export's outputs for the sample are those of the worker."""
    with TemporaryDirectory() as folder:
        try:
            found = torch.cat([*_exported_outputs(packed, Path(folder), spec, inputs.sample)])
        except predict.InputError as error:
            raise ExportMismatch(
                f"the exported program refuses training examples in the form of their file: {error}"
            ) from error
    expected = torch.cat([*_worker_outputs(architecture, weights, inputs)])
    if not torch.equal(found, expected):
        largest = float((found - expected).abs().max())
        raise ExportMismatch(
            f"the exported program's outputs for {len(expected)} training examples differ from "
            f"those of the network by up to {largest:g}; expected equal ones"
        )


def in_layout(x: NDArray[Any], layout: str | None) -> NDArray[Any]:
    """Examples (N, channels, ...) with their axes in the order of a layout."""
    if layout is None or layout == "NF":
        return x
    return np.moveaxis(x, 1, layout.index("C")) if "C" in layout else x[:, 0]


def _exported_outputs(
    packed: bytes, folder: Path, spec: DatasetSpec, sample: NDArray[Any]
) -> Iterator[Tensor]:
    """The outputs of the exported program, batch by batch."""
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        archive.extractall(folder)
    np.save(folder / "examples.npy", in_layout(sample, spec.layout))
    model = predict.Model(folder)
    for _, x in predict.Reader(model).source(folder / "examples.npy").batches():
        yield model.outputs(model.normalise(x))


@torch.inference_mode()
def _worker_outputs(
    architecture: Architecture, weights: Weights, inputs: TrainedInputs
) -> Iterator[Tensor]:
    """The outputs of the worker's network for the worker's own batches."""
    network = network_with(architecture, weights, Compute(_CPU)).eval()
    labels = np.zeros(len(inputs.sample), np.int64)
    examples = Examples(inputs.sample, labels, inputs.normalisation, _CPU)
    for x, _ in examples.batches(predict.BATCH):
        yield network(x)
