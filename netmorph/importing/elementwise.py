"""Operations on each value by itself, on values of one shape, and on channels."""

from dataclasses import replace
from math import prod

import numpy as np

from netmorph.importing.conversion import Conversion
from netmorph.importing.graph import Array
from netmorph.importing.operations import FLOATS, Operation
from netmorph.importing.preparation import EPSILON, as_batch_norm
from netmorph.importing.refusals import unsupported
from netmorph.importing.value import Value
from netmorph.importing.vectors import as_vector, of_one_form


def relu(c: Conversion, node: Operation) -> Value:
    return _elementwise(c, node, "relu")


def silu(c: Conversion, node: Operation) -> Value:
    if float(node.attributes.get("alpha", 1.0)) != 1:  # of a Swish
        raise unsupported(node, "it has another factor in the sigmoid; expected 1")
    return _elementwise(c, node, "silu")


def gelu(c: Conversion, node: Operation) -> Value:
    form = node.attributes.get("approximate", "none")
    if form != "none":
        raise unsupported(node, f"it is the approximation {form!r}; expected approximate='none'")
    return _elementwise(c, node, "gelu")


def sigmoid(c: Conversion, node: Operation) -> Value:
    if node.outputs[0] == c.source.output:
        raise unsupported(node, "it is the end; expected the logits of the classes before it")
    return _elementwise(c, node, "sigmoid")


def hard_sigmoid(c: Conversion, node: Operation) -> Value:
    _check_slope(node)
    return _elementwise(c, node, "hard_sigmoid")


def hard_swish(c: Conversion, node: Operation) -> Value:
    _check_slope(node)
    return _elementwise(c, node, "hard_swish")


def _check_slope(node: Operation) -> None:
    """Raise UnsupportedOperation unless the hard sigmoid is that of MobileNetV3."""
    is_merged = node.kind == "HardSwish"
    slope = float(node.attributes.get("alpha", 1 / 6 if is_merged else 0.2))
    middle = float(node.attributes.get("beta", 0.5))
    if abs(slope - 1 / 6) > 1e-6 or middle != 0.5:
        raise unsupported(node, f"it has slope {slope:g} and {middle:g} at 0; expected 1/6 and 0.5")


def tanh(c: Conversion, node: Operation) -> Value:
    return _elementwise(c, node, "tanh")


def clip(c: Conversion, node: Operation) -> Value:
    """Clip to [0, 6] or [0, ∞)."""
    given = [_limit(c, node, 1, "min"), _limit(c, node, 2, "max")]
    match given:
        case [0, 6]:
            return _elementwise(c, node, "relu6")
        case [0, None]:
            return _elementwise(c, node, "relu")
    raise unsupported(node, f"from {given[0]} to {given[1]}; expected from 0 to 6, or from 0")


def _limit(c: Conversion, node: Operation, index: int, name: str) -> float | None:
    constant = c.constant(node, index)
    found = node.attributes.get(name) if constant is None else float(constant.reshape(()))
    return None if found is None or abs(found) > 1e38 else found


def _elementwise(c: Conversion, node: Operation, kind: str) -> Value:
    value = c.of_any_layout(node)
    return replace(value, node=c.graph.add(kind, (value.node,)))


def same(c: Conversion, node: Operation) -> Value:
    """Nothing: the identity, a dropout in evaluation mode, or a cast to floats."""
    if node.kind == "Cast" and node.attributes.get("to") not in FLOATS:
        raise unsupported(node, "expected a cast to float32")
    return c.renamed(node)


def batch_norm(c: Conversion, node: Operation) -> Value:
    if node.attributes.get("training_mode"):
        raise unsupported(node, "it is in training mode; export the model after model.eval()")
    value = c.plain(node)
    scale, bias, mean, variance = (c.needed(node, index) for index in range(1, 5))
    epsilon = float(node.attributes.get("epsilon", EPSILON))
    if {scale.shape, bias.shape, mean.shape, variance.shape} != {(value.shape[0],)}:
        raise unsupported(node, f"its parameters do not fit an input of {value.shape}")
    stored = np.maximum(variance + epsilon - EPSILON, 0)
    scale = scale * np.sqrt((stored + EPSILON) / (variance + epsilon))
    parameters = {
        "weight": scale,
        "bias": bias,
        "running_mean": mean,
        "running_var": stored,
    }
    return replace(value, node=c.graph.add("batch_norm", (value.node,), parameters))


def softmax(c: Conversion, node: Operation) -> Value:
    value = c.plain(node)
    if len(value.shape) != 1 or int(node.attributes.get("axis", -1)) not in (1, -1):
        raise unsupported(node, f"it is over {value.shape}; expected the classes, at the end")
    c.notes.append(f"{node} is dropped: the search works with logits")
    c.ended = node
    return value


def add(c: Conversion, node: Operation) -> Value:
    if any(name in c.constants for name in node.inputs):
        return _with_constant(c, node)
    left, right = of_one_form(c, [c.of_any_layout(node, index) for index in (0, 1)])
    _check_order(node, left, right)
    if replace(left, node=0) != replace(right, node=0):
        shapes = f"{left.written_shape} and {right.written_shape}"
        raise unsupported(node, f"its inputs have shapes {shapes}; expected equal ones")
    return replace(left, node=c.graph.add("add", (left.node, right.node)))


def multiply(c: Conversion, node: Operation) -> Value:
    """A product with constants, or with a computed factor for each channel or each value."""
    if any(name in c.constants for name in node.inputs):
        return _with_constant(c, node)
    values = of_one_form(c, [_factor(c, node, index) for index in (0, 1)])
    _check_order(node, *values)
    if replace(values[0], node=0) == replace(values[1], node=0):
        return _product(c, *values)
    x, factors = values[::-1] if values[0].is_vector and not values[1].is_vector else values
    factors = as_vector(c, factors)
    if not _fits(x, factors):
        raise unsupported(
            node,
            f"its inputs have shapes {x.written_shape} and {factors.written_shape}; "
            "expected equal shapes, one factor for each channel, or a constant",
        )
    return replace(x, node=c.graph.add("scale", (x.node, factors.node)))


def _check_order(node: Operation, *values: Value, joins: bool = False) -> None:
    """Raise UnsupportedOperation where vectors have their numbers in orders that do not fit."""
    orders = {value.flattened for value in values if not value.expanded}
    if len(orders) > 1 or (joins and orders != {()}):
        raise unsupported(
            node,
            "an input is an image with its channels last, flattened, and the numbers of the others "
            "have another order; expected a dense layer behind the Flatten or Reshape",
        )


def _factor(c: Conversion, node: Operation, index: int) -> Value:
    """An input of a product; factors of channels may have been expanded to all positions."""
    found = c.value(node.inputs[index], node)
    return found if found.expanded else c.of_any_layout(node, index)


_SQUASHING = ("sigmoid", "hard_sigmoid", "tanh")


def _product(c: Conversion, left: Value, right: Value) -> Value:
    """The product of values of one shape; the squashed one, if any, counts as the factors."""
    x, factors = left, right
    if c.graph.nodes[left.node]["kind"] in _SQUASHING:
        x, factors = right, left
    return replace(x, node=c.graph.add("scale", (x.node, factors.node)))


def _fits(x: Value, factors: Value) -> bool:
    """Whether the factors are one number for each channel of x."""
    channels = x.shape[0]
    same_axes = (len(x.shape), x.channels_last) == (len(factors.shape), factors.channels_last)
    same_sides = not x.expanded and factors.expanded in ((), x.sides)
    is_one_each = factors.is_vector and factors.shape[0] == prod(factors.shape) == channels
    return same_axes and same_sides and is_one_each and not x.flattened


def with_constant(c: Conversion, node: Operation) -> Value:
    if not any(name in c.constants for name in node.inputs):
        raise unsupported(node, "both inputs are computed; expected a constant, or Add")
    return _with_constant(c, node)


def _with_constant(c: Conversion, node: Operation) -> Value:
    """A sum, difference, product or quotient with one number for each channel."""
    first = node.inputs[0] in c.constants
    value = c.of_any_layout(node, 1 if first else 0)
    constant = c.needed(node, 0 if first else 1)
    numbers = _by_channel(c, node, constant, value)
    factor, shift = _affine(node, numbers, constant_first=first)
    source = node.inputs[1 if first else 0]
    if source == c.source.input and c.readers[source] == 1:
        c.factor, c.shift = factor * c.factor, factor * c.shift + shift
        c.source = replace(c.source, input=node.outputs[0])
        return value
    made = c.graph.nodes[value.node]
    if (factor == 1).all() and made.get("bias") is False and c.readers[source] == 1:
        c.graph.with_bias(value.node, shift)
        return value
    c.notes.append(f"{node} becomes a batch norm, whose statistics training will replace")
    parameters = dict(as_batch_norm(factor, shift))
    return replace(value, node=c.graph.add("batch_norm", (value.node,), parameters))


def _by_channel(c: Conversion, node: Operation, constant: Array, value: Value) -> Array:
    """The numbers of a constant, one for each channel; (channels,)"""
    rank = len(value.shape) + 1
    shape = (1,) * (rank - constant.ndim) + constant.shape
    channels = value.shape[0]
    axis = value.channel_axis
    fits = len(shape) == rank and shape[axis] in (1, channels)
    if not fits or prod(shape) != shape[axis]:
        raise unsupported(
            node,
            f"its constant has shape {constant.shape} for an input of {value.written_shape}; "
            "expected one number, or one for each channel",
        )
    numbers = np.broadcast_to(constant.reshape(-1), (channels,))
    if value.flattened:  # ours has each channel's positions one after the other
        numbers = numbers.reshape(value.flattened).T.reshape(-1)
    return numbers.copy()


def concat(c: Conversion, node: Operation) -> Value:
    values = of_one_form(c, [c.of_any_layout(node, i) for i in range(len(node.inputs))])
    _check_order(node, *values, joins=True)
    first = values[0]
    axis = int(node.attributes.get("axis", 1)) % (len(first.shape) + 1)
    alike = {(one.shape[1:], one.sides, one.channels_last) for one in values}
    if axis != first.channel_axis or len(alike) != 1:
        raise unsupported(
            node, f"axis {axis} of {[one.written_shape for one in values]}; expected the channels"
        )
    if len(values) == 1:
        return first
    made = c.graph.add("concat", tuple(one.node for one in values))
    channels = sum(one.shape[0] for one in values)
    return replace(first, node=made, shape=(channels, *first.shape[1:]))


def _affine(node: Operation, numbers: Array, *, constant_first: bool) -> tuple[Array, Array]:
    """The factor and the shift of an operation with constants."""
    one, zero = np.ones_like(numbers), np.zeros_like(numbers)
    match node.kind:
        case "Add":
            return one, numbers
        case "Mul":
            return numbers, zero
        case "Sub":
            return (-one, numbers) if constant_first else (one, -numbers)
        case "Div" if not constant_first and (numbers != 0).all():
            return 1 / numbers, zero
    raise unsupported(node, "expected a division by constants other than 0")
