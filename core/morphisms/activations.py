"""The inputs of a network's layers for some examples, sampled at some positions."""

from collections import Counter
from collections.abc import Iterator
from math import prod

import numpy as np

from core.graph.architecture import Architecture
from core.graph.node import Node
from core.graph.segments import Segment
from core.graph.tokens import random_tokens
from core.graph.weights import Weights
from core.layers import AbstractConvolution, Array
from core.layers.windows import padded_windows
from core.morphisms.abstract import dtype_of
from core.morphisms.reduction import Indices

ROWS = 8192  # most positions sampled from the input of a layer
MAX_FLOPS = 2e9  # of a forward pass of all examples
EXAMPLES = (32, 256)  # fewest and most
NOISE_EXAMPLES = 64  # most if there is no probe
_CHUNK = 32  # examples at a time

Rows = dict[int, Array]  # repeat of a group of channels -> values, (m, channels)


def select_probe(
    architecture: Architecture, weights: Weights, rng: np.random.Generator, probe: Array | None
) -> Array:
    """Some examples of the probe, or noise without one, within `MAX_FLOPS`: (n, *input_shape)"""
    least, most = EXAMPLES
    count = int(np.clip(MAX_FLOPS / max(architecture.flops, 1), least, most))
    if probe is None:
        probe = _noise(architecture, rng, min(count, NOISE_EXAMPLES))
    positions = np.linspace(0, len(probe) - 1, min(count, len(probe))).astype(np.intp)
    return probe[positions].astype(dtype_of(weights))


def _noise(architecture: Architecture, rng: np.random.Generator, count: int) -> Array:
    """Random examples, (count, *input_shape): token numbers, or normal values."""
    shape = architecture.input_shape
    if architecture.vocabulary is not None:
        return random_tokens(architecture.vocabulary, shape, count, rng)
    return rng.standard_normal((count, *shape))


def walk(
    architecture: Architecture, weights: Weights, x: Array, node_ids: frozenset[int]
) -> Iterator[tuple[Node, Array]]:
    """The nodes of these ids, each with its first input, in topological order.

    `x` has shape (N, *input_shape); each input has shape (N, *shape).
    """
    first, *others = architecture.nodes
    values = {first.id: x}
    unread = Counter(source for node in others for source in node.inputs)
    missing = len(node_ids)
    for node in others:
        inputs = [values[source] for source in node.inputs]
        if node.id in node_ids:
            yield node, inputs[0]
            missing -= 1
        if not missing:
            return
        parameters = weights.get(node.id, {})
        parts = [
            node.layer.forward(parameters, [value[start : start + _CHUNK] for value in inputs])
            for start in range(0, len(x), _CHUNK)
        ]
        values[node.id] = np.concatenate(parts)
        for source in node.inputs:
            unread[source] -= 1
            if not unread[source]:
                del values[source]


def collect_rows(
    architecture: Architecture, weights: Weights, x: Array, node_ids: frozenset[int]
) -> dict[int, Rows]:
    """The first inputs of these nodes at some positions, by node id."""
    return {
        node.id: sample_rows(read, architecture.segments[node.inputs[0]])
        for node, read in walk(architecture, weights, x, node_ids)
    }


def sample_rows(value: Array, segments: tuple[Segment, ...]) -> Rows:
    """Values of each group of channels at sampled positions: (N, F, *sides) -> repeat: (m, C)

    The positions depend only on the shape, so that rows of the old and new network correspond.
    """
    rows = {}
    for repeat, entries in group_entries(segments).items():
        shape = (len(value), repeat, *value.shape[2:])
        example, part, *where = (index[:, None] for index in _positions(shape))
        chosen = value[(example, entries.T[part[:, 0]], *where)]
        rows[repeat] = chosen.astype(np.float64)
    return rows


def sample_values(value: Array) -> Array:
    """The channels at sampled positions, as rows: (N, D, *sides) -> (m, D)"""
    positions = _positions((len(value), *value.shape[2:]))
    chosen: Array = np.moveaxis(value, 1, -1)[positions].astype(np.float64)
    return chosen


def sample_windows(node: Node, value: Array) -> Array:
    """The windows around sampled positions, as rows: (N, D, *sides) -> (m, D × window)

    For a layer without windows these are the values, (m, D).
    """
    if not isinstance(node.layer, AbstractConvolution):
        return sample_values(value)
    layer = node.layer
    windows = padded_windows(value, layer.kernel, layer.stride, layer.ends)
    windows = np.moveaxis(windows, 1, value.ndim - 1)  # (N, *sides', D, *window)
    chosen = windows[_positions(windows.shape[: value.ndim - 1])]
    return chosen.reshape(len(chosen), -1).astype(np.float64)


def group_entries(segments: tuple[Segment, ...]) -> dict[int, Indices]:
    """The axis entries of each channel, grouped by their number: repeat -> (channels, repeat)"""
    groups: dict[int, list[Indices]] = {}
    start = 0
    for segment in segments:
        entries = np.arange(start, start + segment.length).reshape(segment.width, segment.repeat)
        groups.setdefault(segment.repeat, []).append(entries)
        start += segment.length
    return {repeat: np.concatenate(parts) for repeat, parts in groups.items()}


def _positions(shape: tuple[int, ...]) -> tuple[Indices, ...]:
    """Up to `ROWS` evenly spaced positions of an array: their indices along each axis, (m,)"""
    total = prod(shape)
    positions = np.linspace(0, total - 1, min(total, ROWS)).astype(np.intp)
    return np.unravel_index(positions, shape)
