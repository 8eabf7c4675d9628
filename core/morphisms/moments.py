"""The estimated mean and variance of each channel of a network, from its weights alone.

Values are assumed to be independent and Gaussian, and the data to be standardised. The estimates
are rough, but a new batch norm that starts with them instead of 0 and 1 changes the values little
in training mode as well.

Notation
    μ, σ²  mean and variance of a value; Moments, each of shape (channels,)
    Φ, φ   distribution and density of the standard normal distribution
    r      (μ - limit) / σ

    P(x > limit) = Φ(r),  E[x; x > limit] = μ Φ(r) + σ φ(r),
    E[x²; x > limit] = (μ² + σ²) Φ(r) + (μ + limit) σ φ(r)   for x ~ N(μ, σ²)
"""

from collections.abc import Sequence
from math import sqrt

import numpy as np
import scipy  # loads its parts when they are first used
from numpy.typing import DTypeLike

from core.graph.architecture import Architecture
from core.graph.node import Node
from core.graph.weights import Weights
from core.layers import (
    AbstractActivation,
    AbstractConvolution,
    AbstractDepthwise,
    AbstractLayer,
    Array,
    BatchNorm,
    Channels,
    Dense,
    Embedding,
    Gate,
    Input,
    ReLU,
    ReLU6,
    Scale,
    Zero,
)
from core.layers.relu6 import MAX_VALUE

_POINTS = 21  # at which an activation is computed

Moments = tuple[Array, Array]  # mean and variance, each of shape (channels,)


def estimate_moments(architecture: Architecture, weights: Weights, node_id: int) -> Moments:
    """The estimated mean and variance of each channel of a node's output, each (channels,)

    The variances are at least a hundredth of their mean, so that no batch norm divides by zero.
    """
    moments: dict[int, Moments] = {}
    for node in architecture.nodes:
        inputs = [moments[source] for source in node.inputs]
        width = architecture.shapes[node.id][0]
        moments[node.id] = _through(node.layer, weights.get(node.id, {}), inputs, width)
        if node.id == node_id:
            break
    mean, variance = moments[node_id]
    return mean, np.maximum(variance, 1e-2 * variance.mean() + 1e-8)


def new_parameters(
    architecture: Architecture,
    weights: Weights,  # of the nodes before, at least
    node: Node,
    rng: np.random.Generator,
    dtype: DTypeLike,
) -> dict[str, Array]:
    """Initial parameters of a new node, adapted to the estimated moments of its input.

    A batch norm gets the estimated statistics. Weights whose expected output is negative are
    negated: behind a ReLU that output would be zero for many examples, or for all.
    """
    parameters = node.layer.initial_parameters(architecture.input_shapes(node), rng, dtype)
    if isinstance(node.layer, BatchNorm):
        mean, variance = estimate_moments(architecture, weights, node.inputs[0])
        parameters |= {"running_mean": mean.astype(dtype), "running_var": variance.astype(dtype)}
    elif parameters and not isinstance(node.layer, Embedding):
        mean, _ = estimate_moments(architecture, weights | {node.id: parameters}, node.id)
        parameters["weight"][mean < 0] *= -1
    return parameters


def _through(
    layer: AbstractLayer, parameters: dict[str, Array], before: Sequence[Moments], width: int
) -> Moments:
    """The moments of the output of a layer, which has `width` channels."""
    match layer:
        case Input():
            return np.zeros(width), np.ones(width)
        case Embedding():
            return parameters["weight"].mean(axis=0), parameters["weight"].var(axis=0)
        case BatchNorm():
            return parameters["bias"], parameters["weight"] ** 2
        case ReLU():
            return _rectified(*before[0])
        case ReLU6():
            return _clipped(*before[0])
        case Zero():
            return np.zeros(width), np.zeros(width)
        case AbstractConvolution() | Dense():
            return _linear(parameters, *before[0])
        case AbstractDepthwise():
            return _by_channel(parameters, *before[0])
        case AbstractActivation():
            return _activated(layer, *before[0])
        case Gate():
            return _gated(*before[0])
        case Scale():
            return _product(*before)
        case _:
            return _mixed(layer.channels, before, width)


def _rectified(mean: Array, variance: Array) -> Moments:
    """The moments of max(x, 0) for a Gaussian x."""
    _, first, second = _beyond(mean, variance, 0)
    return first, np.maximum(second - first**2, 0)


def _clipped(mean: Array, variance: Array) -> Moments:
    """The moments of min(max(x, 0), 6) for a Gaussian x."""
    _, first, second = _beyond(mean, variance, 0)
    above, first_above, second_above = _beyond(mean, variance, MAX_VALUE)
    first = first - first_above + MAX_VALUE * above
    second = second - second_above + MAX_VALUE**2 * above
    return first, np.maximum(second - first**2, 0)


def _activated(layer: AbstractLayer, mean: Array, variance: Array) -> Moments:
    """The moments of an activation of a Gaussian x, by Gauss-Hermite quadrature."""
    points, shares = np.polynomial.hermite_e.hermegauss(_POINTS)
    shares = shares / shares.sum()
    x = mean + np.sqrt(np.maximum(variance, 0)) * points[:, None]  # (points, channels)
    y = layer.forward({}, [x])
    first = shares @ y
    return first, shares @ (y - first) ** 2


def _beyond(mean: Array, variance: Array, limit: float) -> tuple[Array, Array, Array]:
    """P(x > limit), E[x; x > limit] and E[x²; x > limit] for a Gaussian x, each (channels,)"""
    deviation = np.sqrt(np.maximum(variance, 1e-12))
    ratio = (mean - limit) / deviation
    above = scipy.special.ndtr(ratio)
    density = np.exp(-(ratio**2) / 2) / sqrt(2 * np.pi)
    first = mean * above + deviation * density
    second = (mean**2 + variance) * above + (mean + limit) * deviation * density
    return above, first, second


def _linear(parameters: dict[str, Array], mean: Array, variance: Array) -> Moments:
    """The moments of a weighted sum of independent values."""
    weight = parameters["weight"]
    weight = weight.reshape(*weight.shape[:2], -1)
    return (
        weight.sum(axis=2) @ mean + parameters.get("bias", 0),
        (weight**2).sum(axis=2) @ variance,
    )


def _by_channel(parameters: dict[str, Array], mean: Array, variance: Array) -> Moments:
    """The moments of a weighted sum of independent values of the same channel."""
    weight = parameters["weight"].reshape(len(mean), -1)
    bias = parameters.get("bias", 0)
    return weight.sum(axis=1) * mean + bias, (weight**2).sum(axis=1) * variance


def _gated(mean: Array, variance: Array) -> Moments:
    """Approximate moments of 2 sigmoid(x) for a Gaussian x.

    MacKay 1992, "The evidence framework applied to classification networks".
    """
    middle = scipy.special.expit(mean / np.sqrt(1 + np.pi * variance / 8))
    return 2 * middle, (2 * middle * (1 - middle)) ** 2 * variance


def _product(first: Moments, second: Moments) -> Moments:
    """The moments of the product of independent values."""
    (a, v), (b, w) = first, second
    return a * b, v * w + v * b**2 + w * a**2


def _mixed(channels: Channels, before: Sequence[Moments], width: int) -> Moments:
    """The moments of the output of a layer without parameters."""
    means, variances = [mean for mean, _ in before], [variance for _, variance in before]
    match channels:
        case Channels.UNIFIED:
            return np.sum(means, axis=0), np.sum(variances, axis=0)
        case Channels.JOINED:
            return np.concatenate(means), np.concatenate(variances)
        case Channels.FLATTENED:
            repeat = width // len(means[0])
            return np.repeat(means[0], repeat), np.repeat(variances[0], repeat)
        case _:
            return before[0]
