"""A network that a user gives as the start of a search: its limits, and what it must fit.

Its weights are for examples as they are stored: see `core.graph.preparation`.
"""

from dataclasses import dataclass
from math import prod
from typing import BinaryIO

import numpy as np

from core.errors import CorruptBlob, InvalidArchitecture, InvalidInput
from core.graph.architecture import Architecture
from core.graph.bounds import excluded_layers, fits, latency, width
from core.graph.preparation import input_norm
from core.graph.weights import Weights, check, flatten, load, unflatten
from core.layers import Shape
from core.protocol.contracts.bounds import Bounds
from core.protocol.contracts.datasets import DatasetSpec

MOST_LAYERS = 500  # the largest value of `Bounds.layers`
MOST_WIDTH = 8192  # the largest value of `Bounds.width`
MOST_PARAMETERS = 100_000_000
MOST_VALUES = 2**28  # of one example, in the outputs of all layers together
MOST_FLOPS = 2**50
MOST_NODE_ID = 2**31 - 1
HEADER_BYTES, HEADER_BYTES_A_TENSOR = 65_536, 512  # room for the header of a safetensors file
WIDEST_VALUE = 8  # bytes


@dataclass(frozen=True, slots=True)
class _Limit:
    """One size of an architecture, and the largest that is accepted."""

    name: str
    found: int
    most: int


def check_limits(architecture: Architecture) -> None:
    """Raise InvalidArchitecture for an architecture that is too large for a service."""
    limits = (
        _Limit("layers", len(architecture.nodes), MOST_LAYERS),
        _Limit("filters or units in one layer", width(architecture), MOST_WIDTH),
        _Limit("parameters", architecture.parameters, MOST_PARAMETERS),
        _Limit("output values for one example", _values(architecture), MOST_VALUES),
        _Limit("FLOPs", architecture.flops, MOST_FLOPS),
        _Limit("as its largest node id", architecture.next_id - 1, MOST_NODE_ID),
    )
    for limit in limits:
        if limit.found > limit.most:
            raise InvalidArchitecture(
                f"the network has {limit.found} {limit.name}; expected at most {limit.most}"
            )


def _values(architecture: Architecture) -> int:
    return sum(prod(shape) for shape in architecture.shapes.values())


def read_weights(file: BinaryIO, size: int, architecture: Architecture) -> Weights:
    """The weights of a safetensors file of `size` bytes, in float32.

    Raises:
        InvalidInput: the file is too large for the architecture, is no safetensors file, or its
            arrays have other names or shapes, values that are not finite, or negative variances.
    """
    most = _most_bytes(architecture)
    if size > most:
        raise InvalidInput(
            f"weights: the file has {size} bytes; expected at most {most} for the "
            f"{architecture.parameters} parameters of the architecture"
        )
    try:
        weights = _as_float32(load(file.read(most)))
        check(architecture, weights)
    except CorruptBlob as error:
        raise InvalidInput(f"weights: {error}") from None
    _check_variances(weights)
    input_norm(architecture)
    return weights


def _most_bytes(architecture: Architecture) -> int:
    """The size of the largest safetensors file with weights of this architecture."""
    shapes = [
        shape
        for node in architecture.nodes
        for shape in node.layer.parameter_shapes(architecture.input_shapes(node)).values()
    ]
    values = sum(prod(shape) for shape in shapes)
    return HEADER_BYTES + len(shapes) * HEADER_BYTES_A_TENSOR + WIDEST_VALUE * values


def _as_float32(weights: Weights) -> Weights:
    """The weights in float32; raises CorruptBlob for arrays of other than floating numbers."""
    found = {}
    for name, array in flatten(weights).items():
        if not np.issubdtype(array.dtype, np.floating):
            raise CorruptBlob(f"{name} has type {array.dtype}; expected floating-point numbers")
        with np.errstate(over="ignore"):  # an infinity is refused after this
            found[name] = array.astype(np.float32)
    return unflatten(found)


def _check_variances(weights: Weights) -> None:
    for name, array in flatten(weights).items():
        if name.endswith(".running_var") and (array < 0).any():
            raise InvalidInput(
                f"weights: {name} has negative values; expected variances, at least 0"
            )


def check_fits(architecture: Architecture, spec: DatasetSpec, bounds: Bounds) -> None:
    """Raise InvalidInput unless the network is one for the data set and within the bounds."""
    if spec.text is not None:
        raise InvalidInput(
            "the data set holds texts, whose tokens no given network knows; expected a data set of "
            "numbers: leave the network out"
        )
    if architecture.input_shape != spec.input_shape:
        raise InvalidInput(
            f"the network takes examples of shape {_words(architecture.input_shape)}; "
            f"expected {_words(spec.input_shape)}, as in the data set"
        )
    if architecture.output_shape != (spec.outputs,):
        raise InvalidInput(
            f"the network has {architecture.output_shape[0]} outputs; expected "
            f"{spec.outputs}, one for each {'class' if spec.classes else 'target'} of the data set"
        )
    if excluded := excluded_layers(architecture, bounds):
        raise InvalidInput(
            f"the network has layers of the excluded kinds {', '.join(excluded)}; expected none: "
            "give another network, or exclude other kinds"
        )
    if not fits(architecture, bounds):
        raise InvalidInput(
            f"the network is not within the bounds: it has {len(architecture.nodes)} layers, "
            f"width {width(architecture)}, {architecture.parameters} parameters, "
            f"{architecture.flops} FLOPs and an expected latency of "
            f"{1000 * latency(architecture, bounds):.2g} ms; raise the bounds, or leave them out"
        )


def _words(shape: Shape) -> str:
    return " × ".join(map(str, shape))
