"""What the layers of a network read when it looks at examples."""

from collections import Counter
from collections.abc import Iterator
from math import prod

import numpy as np

from core.graph.architecture import Architecture
from core.graph.node import Node
from core.graph.segments import Segment
from core.graph.weights import Weights
from core.layers import AbstractConvolution, Array
from core.layers.windows import padded_windows
from core.morphisms.abstract import dtype_of
from core.morphisms.reduction import Indices

ROWS = 8192  # places at most that are kept of what a layer reads
EFFORT = 2e9  # FLOPs that a forward pass of the examples may cost
EXAMPLES = (32, 256)  # least and most
NOISE_EXAMPLES = 64  # most, where there is nothing real to look at
_CHUNK = 32  # examples at a time

Rows = dict[int, Array]  # repeat of a group of channels -> their values, (m, channels)


def probe_of(
    architecture: Architecture, weights: Weights, rng: np.random.Generator, probe: Array | None
) -> Array:
    """Examples to look at, as many as the effort allows: some of the probe, else noise."""
    least, most = EXAMPLES
    count = int(np.clip(EFFORT / max(architecture.flops, 1), least, most))
    if probe is None:
        probe = rng.standard_normal((min(count, NOISE_EXAMPLES), *architecture.input_shape))
    places = np.linspace(0, len(probe) - 1, min(count, len(probe))).astype(np.intp)
    return probe[places].astype(dtype_of(weights))


def walk(
    architecture: Architecture, weights: Weights, x: Array, wanted: frozenset[int]
) -> Iterator[tuple[Node, Array]]:
    """The wanted nodes with the first of their inputs, each just before its layer is computed."""
    first, *others = architecture.nodes
    values = {first.id: x}
    unread = Counter(source for node in others for source in node.inputs)
    missing = len(wanted)
    for node in others:
        inputs = [values[source] for source in node.inputs]
        if node.id in wanted:
            yield node, inputs[0]
            missing -= 1
        if not missing:
            return
        parameters = weights.get(node.id, {})
        parts = [
            node.layer.forward(parameters, [one[start : start + _CHUNK] for one in inputs])
            for start in range(0, len(x), _CHUNK)
        ]
        values[node.id] = np.concatenate(parts)
        for source in node.inputs:
            unread[source] -= 1
            if not unread[source]:
                del values[source]


def observed(
    architecture: Architecture, weights: Weights, x: Array, wanted: frozenset[int]
) -> dict[int, Rows]:
    """What the wanted nodes read at some places of the examples."""
    return {
        node.id: rows_of(read, architecture.segments[node.inputs[0]])
        for node, read in walk(architecture, weights, x, wanted)
    }


def rows_of(value: Array, segments: tuple[Segment, ...]) -> Rows:
    """Values of each group at the same places whatever the channels: (N, F, ...) -> (m, C)."""
    rows = {}
    for repeat, entries in groups_of(segments).items():
        shape = (len(value), repeat, *value.shape[2:])
        example, part, *where = (index[:, None] for index in _places(shape))
        chosen = value[(example, entries.T[part[:, 0]], *where)]
        rows[repeat] = chosen.astype(np.float64)
    return rows


def values_of(value: Array) -> Array:
    """The channels at some places, as rows: (N, D, *sides) -> (m, D)"""
    places = _places((len(value), *value.shape[2:]))
    chosen: Array = np.moveaxis(value, 1, -1)[places].astype(np.float64)
    return chosen


def windows_of(node: Node, value: Array) -> Array:
    """The windows around some places, as rows: (N, D, *sides) -> (m, D × window)

    Of a layer without windows the values there, (m, D).
    """
    if not isinstance(node.layer, AbstractConvolution):
        return values_of(value)
    windows = padded_windows(value, node.layer.kernel, node.layer.stride)
    windows = np.moveaxis(windows, 1, value.ndim - 1)  # (N, *sides', D, *window)
    chosen = windows[_places(windows.shape[: value.ndim - 1])]
    return chosen.reshape(len(chosen), -1).astype(np.float64)


def groups_of(segments: tuple[Segment, ...]) -> dict[int, Indices]:
    """The entries of each channel, by how many each takes: repeat -> (channels, repeat)."""
    found: dict[int, list[Indices]] = {}
    start = 0
    for segment in segments:
        entries = np.arange(start, start + segment.length).reshape(segment.width, segment.repeat)
        found.setdefault(segment.repeat, []).append(entries)
        start += segment.length
    return {repeat: np.concatenate(parts) for repeat, parts in found.items()}


def _places(shape: tuple[int, ...]) -> tuple[Indices, ...]:
    """Some places of an array, evenly apart, at most `ROWS`: their index along each axis."""
    total = prod(shape)
    places = np.linspace(0, total - 1, min(total, ROWS)).astype(np.intp)
    return np.unravel_index(places, shape)
