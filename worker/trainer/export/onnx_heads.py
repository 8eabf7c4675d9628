"""The last operators of an ONNX file: they turn a network's outputs into what users read."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from onnx import TensorProto
from torch import Tensor

from core.protocol.contracts.datasets import DatasetSpec
from core.tasks.multi_label import THRESHOLD
from worker.trainer.data.target_scale import TargetScale
from worker.trainer.export.onnx_graph import OnnxGraph

_LEAST, _EPSILON = 1e-30, 1e-7  # of probabilities, whose logarithms are taken


@dataclass(frozen=True, slots=True)
class Head:
    """What users read instead of the network's outputs, (N, outputs)."""

    name: str  # of the results
    type: int  # of the results, as in TensorProto
    facts: dict[str, str]  # for the metadata of the file
    write: Callable[[OnnxGraph, str], str]  # the outputs' name -> the results' name
    compute: Callable[[Tensor], NDArray[Any]]  # the same function in torch or numpy
    invert: Callable[[NDArray[Any]], Tensor]  # results -> outputs that mean them
    unit: NDArray[np.float64] = field(default_factory=lambda: np.ones(1))  # of differences


def _probabilities(spec: DatasetSpec, _: TargetScale | None) -> Head:
    """The probabilities of the classes."""
    return Head(
        "probabilities",
        TensorProto.FLOAT,
        {"task": "image-classification", "classes": json.dumps(spec.class_names)},
        lambda graph, logits: graph.operator("Softmax", logits, axis=1),
        lambda logits: logits.softmax(dim=1).numpy(),
        lambda results: torch.from_numpy(results).clamp(min=_LEAST).log(),
    )


def _label_probabilities(spec: DatasetSpec, _: TargetScale | None) -> Head:
    """The probability of each label."""
    facts = {"classes": json.dumps(spec.class_names), "threshold": str(THRESHOLD)}
    return Head(
        "probabilities",
        TensorProto.FLOAT,
        {"task": "multi-label", **facts},
        lambda graph, logits: graph.operator("Sigmoid", logits),
        lambda logits: logits.sigmoid().numpy(),
        lambda results: torch.from_numpy(results).logit(eps=_EPSILON),
    )


def _values(_: DatasetSpec, targets: TargetScale | None) -> Head:
    """Numbers in the user's units; in float64, since float32 loses small differences of large ones.

    They differ in units of the standardised outputs, so that no scale is easier to match.
    """
    assert targets is not None, "a network that predicts numbers was trained with their scale"
    mean, std = np.array(targets.mean, np.float64), np.array(targets.std, np.float64)

    def write(graph: OnnxGraph, outputs: str) -> str:
        precise = graph.operator("Cast", outputs, to=TensorProto.DOUBLE)
        scaled = graph.operator("Mul", precise, graph.constant(std, "target_std"))
        return graph.operator("Add", scaled, graph.constant(mean, "target_mean"))

    return Head(
        "values",
        TensorProto.DOUBLE,
        {"task": "regression", "targets": json.dumps(targets.names)},
        write,
        lambda outputs: targets.restored(outputs.numpy()),
        lambda results: torch.from_numpy(targets.standardised(results)),
        unit=std,
    )


#: By task: the head for a data set and the scale of its targets, which only regression has.
HEADS: dict[str, Callable[[DatasetSpec, TargetScale | None], Head]] = {
    "image-classification": _probabilities,
    "multi-label": _label_probabilities,
    "regression": _values,
}
