"""From the operations of an ONNX graph to an architecture with the same function."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from math import prod
from typing import Any

import numpy as np

from netmorph.errors import UnreadableNetwork
from netmorph.importing.folding import FOLDED
from netmorph.importing.frames import Axis, Window, convolved, pooled, positions
from netmorph.importing.graph import Array, Finished, Graph
from netmorph.importing.onnx_file import OnnxGraph, OnnxNode
from netmorph.importing.preparation import EPSILON, Preparation, as_batch_norm
from netmorph.importing.refusals import unsupported
from netmorph.importing.value import Value
from netmorph.importing.windows import in_words, slices, windows_of


def convert(graph: OnnxGraph, preparation: Preparation) -> tuple[Finished, tuple[str, ...]]:
    """The architecture with its weights, and notes on what differs from the file.

    Raises UnsupportedOperation, which names the node, where an operation cannot be taken.
    """
    _check_kinds(graph)
    converter = _Converter(graph, *preparation.affine(graph.input_shape[0]))
    for node in graph.nodes:
        converter.take(node)
    return converter.finish()


def _check_kinds(graph: OnnxGraph) -> None:
    """Raise UnsupportedOperation with all kinds of operations that cannot be taken."""
    unknown = [node for node in graph.nodes if node.kind not in _TAKEN]
    if unknown:
        counts = Counter(node.kind for node in unknown)
        kinds = ", ".join(f"{kind} ({count})" for kind, count in counts.most_common(8))
        raise unsupported(unknown[0], f"the operations that cannot be taken are: {kinds}")


@dataclass(slots=True)
class _Converter:
    """A conversion: the values and constants so far, by name."""

    source: OnnxGraph
    factor: Array  # of the preparation of the inputs: factor x + shift; (channels,)
    shift: Array
    graph: Graph = field(init=False)
    values: dict[str, Value] = field(default_factory=dict)
    constants: dict[str, Array] = field(default_factory=dict)
    readers: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)
    ended: OnnxNode | None = None  # a softmax, behind which nothing may come

    def __post_init__(self) -> None:
        shape = self.source.input_shape
        self.graph = Graph(shape)
        self.constants |= self.source.constants
        self.values[self.source.input] = Value(1, shape, tuple(map(Axis, shape[1:])))
        self.readers.update(name for node in self.source.nodes for name in node.inputs)
        self.readers.update([self.source.output])

    def take(self, node: OnnxNode) -> None:
        """Convert one operation."""
        if all(name in self.constants for name in node.inputs if name):
            computed = FOLDED.get(node.kind)
            if computed is not None:
                self._compute(node, computed)
                return
        if self.ended is not None:
            raise unsupported(self.ended, "other operations read it; expected it at the end")
        self.values[node.outputs[0]] = _TAKEN[node.kind](self, node)

    def _compute(self, node: OnnxNode, computed: Callable[..., Array]) -> None:
        """Compute an operation on constants, such as the shape of a reshaping."""
        given = [self.constants[name] if name else None for name in node.inputs]
        try:
            self.constants[node.outputs[0]] = np.asarray(computed(node.attributes, *given))
        except (ValueError, TypeError, IndexError, KeyError) as error:
            raise unsupported(node, f"its inputs do not fit: {error}") from None

    def finish(self) -> tuple[Finished, tuple[str, ...]]:
        """The architecture that ends with the output of the file."""
        logits = self.value(self.source.output, "the output")
        if not logits.is_vector or len(logits.shape) != 1 or logits.flattened:
            raise UnreadableNetwork(
                f"the output {self.source.output!r} has shape {logits.shape} for one example; "
                "expected (classes,)"
            )
        finished = self.graph.finish(logits.node, self.factor, self.shift)
        return finished, tuple(dict.fromkeys(self.notes))

    # --- inputs of operations -----------------------------------------------------------------

    def value(self, name: str, reader: object) -> Value:
        if name not in self.values:
            raise UnreadableNetwork(f"{reader} reads {name!r}, which nothing before it computes")
        return self.values[name]

    def plain(self, node: OnnxNode, index: int = 0) -> Value:
        """An input without zeros that were added for a convolution."""
        found = self.value(node.inputs[index], node)
        if found.pads:
            raise unsupported(node, "its input has been padded; expected a Conv behind a Pad")
        return found

    def constant(self, node: OnnxNode, index: int) -> Array | None:
        """A constant input; None where it is left out."""
        name = node.inputs[index] if index < len(node.inputs) else ""
        if not name:
            return None
        if name not in self.constants:
            raise unsupported(node, f"its input {name!r} is computed; expected a constant")
        return self.constants[name]

    def needed(self, node: OnnxNode, index: int) -> Array:
        found = self.constant(node, index)
        if found is None or not np.issubdtype(found.dtype, np.floating):
            raise unsupported(node, f"its input {index} is missing or has other than floats")
        return found.astype(np.float64)

    # --- convolutions and pools ---------------------------------------------------------------

    def convolution(self, node: OnnxNode) -> Value:
        value, weight, bias = self.value(node.inputs[0], node), self.needed(node, 1), None
        if len(node.inputs) > 2 and node.inputs[2]:
            bias = self.needed(node, 2)
        group = int(node.attributes.get("group", 1))
        channels = value.shape[0]
        if weight.ndim != len(value.shape) + 1 or weight.shape[1] * group != channels:
            raise unsupported(
                node, f"its kernels have shape {weight.shape} for an input of {value.shape}"
            )
        if value.is_vector and not value.pads:
            return self._of_one_position(node, value, weight, bias, group)
        windows = windows_of(node, value, weight.shape[2:], weight=True)
        found = convolved(value.axes, windows)
        if found is None:
            raise unsupported(node, _NO_WINDOWS.format(windows=in_words(windows)))
        if group == channels == weight.shape[0] and group > 1:
            kind, fields = "depthwise_conv", {}
        else:
            weight = self._dense_kernels(node, weight, group)
            kind, fields = "conv", {"filters": len(weight)}
        kernels = np.zeros((*weight.shape[:2], *[found.kernel] * len(value.axes)))
        kernels[:, :, *slices(weight.shape[2:], found.offsets, node)] = weight
        self._note_frame(node, found.axes)
        parameters, has_bias = _with_bias({"weight": kernels}, bias)
        made = self.graph.add(
            f"{kind}{len(value.axes)}d",
            (value.node,),
            parameters,
            **fields,
            kernel=found.kernel,
            stride=windows[0].stride,
            **has_bias,
        )
        return Value(made, (len(weight), *[axis.length for axis in found.axes]), found.axes)

    def _dense_kernels(self, node: OnnxNode, weight: Array, group: int) -> Array:
        """The kernels of a grouped convolution over all channels, zero outside of their group."""
        if group == 1:
            return weight
        filters, of_group = weight.shape[:2]
        if filters % group:
            raise unsupported(node, f"{filters} filters in {group} groups")
        self.notes.append(
            f"{node}: its {group} groups become one convolution with zeros between the groups"
        )
        kernels = np.zeros((filters, of_group * group, *weight.shape[2:]))
        for index, kernel in enumerate(weight):
            start = index // (filters // group) * of_group
            kernels[index, start : start + of_group] = kernel
        return kernels

    def _of_one_position(
        self, node: OnnxNode, value: Value, weight: Array, bias: Array | None, group: int
    ) -> Value:
        """A convolution behind a global pool: a dense layer."""
        if prod(weight.shape[2:]) != 1 or value.flattened:
            raise unsupported(node, "its input has one position; expected kernels of size 1")
        matrix = self._dense_kernels(node, weight, group).reshape(len(weight), -1)
        return replace(
            self._dense(value, matrix, bias), shape=(len(weight), *[1] * (weight.ndim - 2))
        )

    def pool(self, node: OnnxNode) -> Value:
        value = self.plain(node)
        sizes = node.attributes.get("kernel_shape", ())
        if len(sizes) != len(value.axes) or not sizes:
            raise unsupported(node, f"its input has shape {value.shape}")
        windows = windows_of(node, value, sizes, weight=False)
        return self._pooled(node, value, windows)

    def _pooled(self, node: OnnxNode, value: Value, windows: tuple[Window, ...]) -> Value:
        found = pooled(value.axes, windows) if len({w.size for w in windows}) == 1 else None
        if found is None:
            raise unsupported(node, _NO_WINDOWS.format(windows=in_words(windows)))
        fields: dict[str, Any] = {"padding": found.padding} if found.padding else {}
        reads_padding = any(
            any(window.pads(axis)) for axis, window in zip(value.axes, windows, strict=True)
        )
        kind = "max_pool" if node.kind == "MaxPool" else "avg_pool"
        if kind == "avg_pool" and node.attributes.get("count_include_pad") and reads_padding:
            if any(window.ceil for window in windows):
                raise unsupported(node, "it counts padding in incomplete windows")
            fields["count_include_pad"] = True
        self._note_frame(node, found.axes)
        made = self.graph.add(
            f"{kind}{len(value.axes)}d",
            (value.node,),
            size=windows[0].size,
            stride=windows[0].stride,
            **fields,
        )
        return Value(made, (value.shape[0], *[axis.length for axis in found.axes]), found.axes)

    def _note_frame(self, node: OnnxNode, axes: tuple[Axis, ...]) -> None:
        if any(axis.is_framed for axis in axes) and not any(n.endswith(_FRAME) for n in self.notes):
            self.notes.append(f"{node} {_FRAME}")

    def global_pool(self, node: OnnxNode) -> Value:
        return self._global_pool(node, self.plain(node), keep=True)

    def mean(self, node: OnnxNode) -> Value:
        """A mean over all spatial axes."""
        value = self.plain(node)
        axes = node.attributes.get("axes")
        if axes is None:
            constant = self.constant(node, 1)
            axes = () if constant is None else tuple(constant.reshape(-1).tolist())
        rank = len(value.shape) + 1
        if value.is_vector or sorted(axis % rank for axis in axes) != list(range(2, rank)):
            raise unsupported(
                node, f"it is over the axes {list(axes)} of {rank}; expected all spatial axes"
            )
        return self._global_pool(node, value, keep=bool(node.attributes.get("keepdims", 1)))

    def _global_pool(self, node: OnnxNode, value: Value, *, keep: bool) -> Value:
        if value.is_vector:
            raise unsupported(node, f"its input has shape {value.shape}; expected spatial axes")
        shape = (value.shape[0], *[1] * len(value.axes))
        if not value.is_framed:
            made = self.graph.add(f"global_avg_pool{len(value.axes)}d", (value.node,))
            return Value(made, shape if keep else shape[:1])
        stride = max(1, *[axis.before for axis in value.axes])
        windows = tuple(Window(axis.length, stride, 0, 0) for axis in value.axes)
        found = self._pooled(node, value, windows)
        return found if keep else self._flat(found)

    # --- vectors ------------------------------------------------------------------------------

    def _flat(self, value: Value) -> Value:
        """The value as a vector, each channel's positions one after the other."""
        if value.is_vector:
            return replace(value, shape=(prod(value.shape),))
        made = self.graph.add("flatten", (value.node,))
        flat = Value(made, (prod(value.shape),))
        if value.is_framed:
            return replace(flat, flattened=value.axes, channels=value.shape[0])
        return flat

    def flatten(self, node: OnnxNode) -> Value:
        value = self.plain(node)
        rank = len(value.shape) + 1
        if int(node.attributes.get("axis", 1)) % rank != 1:
            raise unsupported(node, "expected axis 1")
        return self._flat(value)

    def reshape(self, node: OnnxNode) -> Value:
        value, target = self.plain(node), self.constant(node, 1)
        _, *rest = [0] if target is None else target.reshape(-1).tolist()
        size = prod(value.shape)
        if rest in ([-1], [size]):
            return self._flat(value)
        known = [side if side else before for side, before in zip(rest, value.shape, strict=False)]
        if len(rest) == len(value.shape) and [
            before if side == -1 else side for side, before in zip(known, value.shape, strict=True)
        ] == list(value.shape):
            return value
        is_plain_vector = value.is_vector and not value.flattened
        if is_plain_vector and rest and rest[0] in (-1, size) and {*rest[1:]} == {1}:
            return replace(value, shape=(size, *rest[1:]))
        raise unsupported(
            node, f"from {value.shape} to {rest} for one example; expected one vector"
        )

    def squeeze(self, node: OnnxNode) -> Value:
        """Axes of length 1, dropped after a global pool."""
        value = self.plain(node)
        if not value.is_vector or value.shape[0] != prod(value.shape):
            raise unsupported(node, f"its input has shape {value.shape}; expected one position")
        return self._flat(value)

    def gemm(self, node: OnnxNode) -> Value:
        a = node.attributes
        weight, bias = self.needed(node, 1), None
        if len(node.inputs) > 2 and node.inputs[2]:
            bias = self.needed(node, 2) * float(a.get("beta", 1.0))
        if a.get("transA") or weight.ndim != 2:
            raise unsupported(node, "expected examples times a matrix of constants")
        matrix = float(a.get("alpha", 1.0)) * (weight if a.get("transB") else weight.T)
        return self._dense(self._vector(node, matrix.shape[1]), matrix, bias)

    def matmul(self, node: OnnxNode) -> Value:
        if node.inputs[0] in self.constants:
            raise unsupported(node, "expected examples times a matrix of constants")
        weight = self.needed(node, 1)
        if weight.ndim != 2:
            raise unsupported(node, f"its constant has shape {weight.shape}; expected a matrix")
        return self._dense(self._vector(node, len(weight)), weight.T, None)

    def _vector(self, node: OnnxNode, size: int) -> Value:
        value = self.plain(node)
        if value.shape != (size,):
            raise unsupported(node, f"its input has shape {value.shape}; expected {(size,)}")
        return value

    def _dense(self, value: Value, matrix: Array, bias: Array | None) -> Value:
        """A dense layer; with zero weights for values that do not count."""
        units = len(matrix)
        if value.flattened:
            total = prod(axis.total for axis in value.flattened)
            counted = np.fromiter(positions(value.flattened), int)
            spread = np.zeros((units, value.channels, total))
            spread[:, :, counted] = matrix.reshape(units, value.channels, -1)
            matrix = spread.reshape(units, -1)
        if bias is not None:
            bias = np.broadcast_to(bias, (1, units)).reshape(units)
        parameters, fields = _with_bias({"weight": matrix}, bias)
        made = self.graph.add("dense", (value.node,), parameters, units=units, **fields)
        return Value(made, (units,))

    # --- elementwise --------------------------------------------------------------------------

    def relu(self, node: OnnxNode) -> Value:
        return self._elementwise(node, "relu")

    def clip(self, node: OnnxNode) -> Value:
        """Clip to [0, 6] or [0, ∞)."""
        given = [self._limit(node, 1, "min"), self._limit(node, 2, "max")]
        match given:
            case [0, 6]:
                return self._elementwise(node, "relu6")
            case [0, None]:
                return self._elementwise(node, "relu")
        raise unsupported(node, f"from {given[0]} to {given[1]}; expected from 0 to 6, or from 0")

    def _limit(self, node: OnnxNode, index: int, name: str) -> float | None:
        constant = self.constant(node, index)
        found = node.attributes.get(name) if constant is None else float(constant.reshape(()))
        return None if found is None or abs(found) > 1e38 else found

    def _elementwise(self, node: OnnxNode, kind: str) -> Value:
        value = self.plain(node)
        return replace(value, node=self.graph.add(kind, (value.node,)))

    def same(self, node: OnnxNode) -> Value:
        """Nothing: the identity, a dropout in evaluation mode, or a cast to floats."""
        source, output = node.inputs[0], node.outputs[0]
        if node.kind == "Cast" and node.attributes.get("to") not in _FLOATS:
            raise unsupported(node, "expected a cast to float32")
        if source == self.source.input and self.readers[source] == 1:
            self.source = replace(self.source, input=output)
        self.readers[output] += self.readers[source] - 1  # two names of one value
        return self.value(source, node)

    def of_shapes(self, node: OnnxNode) -> Value:
        raise unsupported(node, "expected it to compute a shape from constants alone")

    def batch_norm(self, node: OnnxNode) -> Value:
        if node.attributes.get("training_mode"):
            raise unsupported(node, "it is in training mode; export the model after model.eval()")
        value = self.plain(node)
        scale, bias, mean, variance = (self.needed(node, index) for index in range(1, 5))
        epsilon = float(node.attributes.get("epsilon", EPSILON))
        if value.flattened or {scale.shape, bias.shape, mean.shape, variance.shape} != {
            (value.shape[0],)
        }:
            raise unsupported(node, f"its parameters do not fit an input of {value.shape}")
        stored = np.maximum(variance + epsilon - EPSILON, 0)
        scale = scale * np.sqrt((stored + EPSILON) / (variance + epsilon))
        parameters = {
            "weight": scale,
            "bias": bias,
            "running_mean": mean,
            "running_var": stored,
        }
        return replace(value, node=self.graph.add("batch_norm", (value.node,), parameters))

    def softmax(self, node: OnnxNode) -> Value:
        value = self.plain(node)
        if len(value.shape) != 1 or int(node.attributes.get("axis", -1)) not in (1, -1):
            raise unsupported(node, f"it is over {value.shape}; expected the classes, at the end")
        self.notes.append(f"{node} is dropped: the search works with logits")
        self.ended = node
        return value

    def add(self, node: OnnxNode) -> Value:
        if any(name in self.constants for name in node.inputs):
            return self._with_constant(node)
        left, right = self.plain(node, 0), self.plain(node, 1)
        if replace(left, node=0) != replace(right, node=0) or left.flattened:
            raise unsupported(
                node, f"its inputs have shapes {left.shape} and {right.shape}, or other borders"
            )
        return replace(left, node=self.graph.add("add", (left.node, right.node)))

    def with_constant(self, node: OnnxNode) -> Value:
        if not any(name in self.constants for name in node.inputs):
            raise unsupported(node, "both inputs are computed; expected a constant, or Add")
        return self._with_constant(node)

    def _with_constant(self, node: OnnxNode) -> Value:
        """A sum, difference, product or quotient with one number for each channel."""
        first = node.inputs[0] in self.constants
        value = self.plain(node, 1 if first else 0)
        constant = self.needed(node, 0 if first else 1)
        numbers = self._by_channel(node, constant, value)
        factor, shift = _affine(node, numbers, constant_first=first)
        source = node.inputs[1 if first else 0]
        if source == self.source.input and self.readers[source] == 1:
            self.factor, self.shift = factor * self.factor, factor * self.shift + shift
            self.source = replace(self.source, input=node.outputs[0])
            return value
        made = self.graph.nodes[value.node]
        if (factor == 1).all() and made.get("bias") is False and self.readers[source] == 1:
            self.graph.with_bias(value.node, shift)
            return value
        self.notes.append(f"{node} becomes a batch norm, whose statistics training will replace")
        parameters = dict(as_batch_norm(factor, shift))
        return replace(value, node=self.graph.add("batch_norm", (value.node,), parameters))

    def _by_channel(self, node: OnnxNode, constant: Array, value: Value) -> Array:
        """The numbers of a constant, one for each channel; (channels,)"""
        rank = len(value.shape) + 1
        shape = (1,) * (rank - constant.ndim) + constant.shape
        channels = value.shape[0]
        fits = len(shape) == rank and shape[1] in (1, channels)
        if value.flattened or not fits or prod(shape) != shape[1]:
            raise unsupported(
                node,
                f"its constant has shape {constant.shape} for an input of {value.shape}; "
                "expected one number, or one for each channel",
            )
        return np.broadcast_to(constant.reshape(-1), (channels,)).copy()

    def concat(self, node: OnnxNode) -> Value:
        values = [self.plain(node, index) for index in range(len(node.inputs))]
        first = values[0]
        axis = int(node.attributes.get("axis", 1)) % (len(first.shape) + 1)
        alike = {(one.shape[1:], one.axes) for one in values}
        if axis != 1 or len(alike) != 1 or any(one.flattened for one in values):
            raise unsupported(
                node, f"axis {axis} of {[one.shape for one in values]}; expected the channels"
            )
        if len(values) == 1:
            return first
        made = self.graph.add("concat", tuple(one.node for one in values))
        channels = sum(one.shape[0] for one in values)
        return replace(first, node=made, shape=(channels, *first.shape[1:]))

    def pad(self, node: OnnxNode) -> Value:
        """Zeros around an image, for the convolution behind it."""
        value, given, number = self.plain(node), self.constant(node, 1), self.constant(node, 2)
        pads = node.attributes.get("pads") or ([] if given is None else given.reshape(-1).tolist())
        rank = len(value.shape) + 1
        sides = [(int(a), int(b)) for a, b in zip(pads[:rank], pads[rank:], strict=False)]
        are_zeros = node.attributes.get("mode", "constant") == "constant" and (
            number is None or not number.any()
        )
        fits = len(pads) == 2 * rank and not np.any(sides[:2]) and np.min(sides) >= 0
        if len(node.inputs) > 3 or not (are_zeros and fits) or value.is_vector:
            raise unsupported(node, "expected zeros along the spatial axes")
        return replace(value, pads=tuple(sides[2:])) if np.any(sides) else value

    def shape_of(self, node: OnnxNode) -> Value:
        """The shape of a value as a constant, with -1 for the batch."""
        value = self.value(node.inputs[0], node)
        self.constants[node.outputs[0]] = np.array([-1, *value.shape])
        return value


#: Said of the first convolution or pool whose output is smaller than ours.
_FRAME = "and what follows keep a border here, which the classifier ignores at the start"
_FLOATS = (1, 11)  # float32 and float64 in the file format
_NO_WINDOWS = (
    "there is no layer of ours with windows of {windows}; expected the same size and stride along "
    "both axes, and padding at the border alone"
)


def _with_bias(
    parameters: dict[str, Array], bias: Array | None
) -> tuple[dict[str, Array], dict[str, bool]]:
    """The parameters of a layer and its field `bias`, which JSON has only where it is false."""
    if bias is None:
        return parameters, {"bias": False}
    return parameters | {"bias": bias}, {}


def _affine(node: OnnxNode, numbers: Array, *, constant_first: bool) -> tuple[Array, Array]:
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


#: How each kind of operation is taken.
_TAKEN: Mapping[str, Callable[[_Converter, OnnxNode], Value]] = {
    "Conv": _Converter.convolution,
    "MaxPool": _Converter.pool,
    "AveragePool": _Converter.pool,
    "GlobalAveragePool": _Converter.global_pool,
    "ReduceMean": _Converter.mean,
    "BatchNormalization": _Converter.batch_norm,
    "Relu": _Converter.relu,
    "Clip": _Converter.clip,
    "Gemm": _Converter.gemm,
    "MatMul": _Converter.matmul,
    "Add": _Converter.add,
    "Sub": _Converter.with_constant,
    "Mul": _Converter.with_constant,
    "Div": _Converter.with_constant,
    "Concat": _Converter.concat,
    "Flatten": _Converter.flatten,
    "Reshape": _Converter.reshape,
    "Squeeze": _Converter.squeeze,
    "Pad": _Converter.pad,
    "Identity": _Converter.same,
    "Dropout": _Converter.same,
    "Cast": _Converter.same,
    "Softmax": _Converter.softmax,
    "LogSoftmax": _Converter.softmax,
    "Shape": _Converter.shape_of,
    **dict.fromkeys(("Constant", "Gather", "Unsqueeze", "Slice"), _Converter.of_shapes),
}
