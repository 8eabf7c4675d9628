"""The architecture of an ONNX file computes the function of the file, or the node is named."""

import contextlib
import io
import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from core.graph.architecture import Architecture
from core.graph.forward import forward
from core.graph.given_network import check_limits, read_weights
from core.graph.weights import Weights
from core.layers import AvgPool2d, Conv2d, MaxPool2d
from netmorph.errors import UnreadableNetwork, UnsupportedOperation
from netmorph.importing.files import ImportedNetwork, read
from netmorph.importing.preparation import Preparation
from tests.netmorph.importing.models import LAST, MODELS, Same, export, trained

TOLERANCE = 1e-5


def architecture_of(network: ImportedNetwork) -> tuple[Architecture, Weights]:
    """The network as the service stores it, after its checks."""
    architecture = Architecture.from_json(json.loads(network.architecture))
    check_limits(architecture)
    assert network.weights is not None
    weights = read_weights(io.BytesIO(network.weights), len(network.weights), architecture)
    assert network.parameters == architecture.parameters
    return architecture, weights


def ours(network: ImportedNetwork, x: np.ndarray) -> np.ndarray:
    architecture, weights = architecture_of(network)
    exact = {
        node: {name: array.astype(np.float64) for name, array in arrays.items()}
        for node, arrays in weights.items()
    }
    return forward(architecture, exact, x.astype(np.float64))


def of_file(path: Path, x: np.ndarray) -> np.ndarray:
    """The file's own outputs, by the reference implementation of the format's runtime."""
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (y,) = session.run(None, {session.get_inputs()[0].name: x.astype(np.float32)})
    return np.asarray(y)


def softmax(y: np.ndarray) -> np.ndarray:
    exponents = np.exp(y - y.max(1, keepdims=True))
    return exponents / exponents.sum(1, keepdims=True)


def assert_same_function(path: Path, shape: tuple[int, ...], scale: float = 1.0) -> ImportedNetwork:
    network = read(path)
    x = scale * np.random.default_rng(0).normal(size=(6, *shape))
    found, expected = ours(network, x), of_file(path, x)
    if any("Softmax" in note for note in network.notes):
        found = softmax(found)
        expected = expected if (expected >= 0).all() else np.exp(expected)
    size = np.abs(expected).max()
    assert np.abs(found - expected).max() <= TOLERANCE * max(1.0, size)
    assert expected.std(axis=0).max() > 1e-3  # the outputs depend on the inputs
    return network


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("fused", [True, False], ids=["fused", "with batch norms"])
def test_a_network_in_plain_pytorch_keeps_its_function(name, fused, tmp_path):
    make, shape = MODELS[name]
    model = trained(make)
    mode = torch.onnx.TrainingMode.EVAL if fused else torch.onnx.TrainingMode.PRESERVE
    path = export(model, shape, tmp_path / "m.onnx", training=mode)
    scale = 100.0 if name == "prepared" else 1.0

    network = assert_same_function(path, shape, scale)

    kinds = {node["kind"] for node in json.loads(network.architecture)["nodes"]}
    assert {"input", "batch_norm", "output"} <= kinds
    x = scale * np.random.default_rng(1).normal(size=(2, *shape)).astype(np.float32)
    with torch.inference_mode():
        expected = model(torch.from_numpy(x)).numpy()
    found = ours(network, x)
    if network.notes and "Softmax" in network.notes[-1]:
        found, expected = (
            softmax(found),
            softmax(np.log(expected) if name == "vectors" else expected),
        )
    assert np.abs(found - expected).max() <= TOLERANCE * max(1.0, np.abs(expected).max())


def last_channels(*nodes: onnx.NodeProto) -> list:
    """Operations on an image with its channels last, which become a vector."""
    last = helper.make_node("Transpose", ["x"], ["last"], perm=[0, 2, 3, 1])
    return [last, helper.make_node("Reshape", ["last", "shape"], ["vector"]), *nodes]


def test_numbers_for_each_feature_follow_the_order_of_a_flattened_image(tmp_path):
    nodes = last_channels(
        helper.make_node("Mul", ["vector", "factors"], ["c"]),
        helper.make_node("MatMul", ["c", "classes"], ["y"]),
    )
    constants = {"shape": np.array([-1, 144]), "factors": normal(144), "classes": normal(144, 3)}
    assert_same_function(file_of(tmp_path / "m.onnx", nodes, constants), (2, 9, 8))


def test_a_flattened_image_with_its_channels_last_is_no_output(tmp_path):
    nodes = last_channels(helper.make_node("Relu", ["vector"], ["y"]))
    path = file_of(tmp_path / "m.onnx", nodes, {"shape": np.array([-1, 144])})
    with pytest.raises(UnreadableNetwork, match="expected a dense layer at the end"):
        read(path)


def test_a_preparation_and_a_pad_may_come_before_the_channels_move(tmp_path):
    """As Keras exports `Rescaling` and `ZeroPadding2D` before the first convolution."""
    nodes = [
        helper.make_node("Sub", ["x", "mean"], ["a"]),
        helper.make_node("Pad", ["a", "pads"], ["b"]),
        helper.make_node("Transpose", ["b"], ["c"], perm=[0, 3, 1, 2]),
        helper.make_node("Conv", ["c", "kernels"], ["d"], strides=[2, 2]),
        helper.make_node("GlobalAveragePool", ["d"], ["e"]),
        helper.make_node("Flatten", ["e"], ["y"]),
    ]
    constants = {
        "mean": normal(3),
        "pads": np.array([0, 1, 2, 0, 0, 2, 1, 0]),
        "kernels": normal(4, 3, 3, 3),
    }
    path = file_of(tmp_path / "m.onnx", nodes, constants, (9, 8, 3))
    x = normal(6, 9, 8, 3, seed=5)
    found = ours(read(path), np.moveaxis(x, -1, 1))
    assert np.abs(found - of_file(path, x)).max() <= TOLERANCE


def test_constants_of_a_file_are_computed(tmp_path):
    """As of weight normalisation, and of shapes that an exporter computes."""
    nodes = [
        helper.make_node("Mul", ["directions", "lengths"], ["scaled"]),
        helper.make_node("Conv", ["x", "scaled"], ["a"]),
        helper.make_node("GlobalMaxPool", ["a"], ["b"]),
        helper.make_node("Div", ["sixteen", "two"], ["eight"]),
        helper.make_node("Concat", ["minus", "eight"], ["shape"], axis=0),
        helper.make_node("Reshape", ["b", "shape"], ["y"]),
    ]
    constants = {
        **{"directions": normal(8, 2, 3, 3), "lengths": normal(8, 1, 1, 1)},
        **{"sixteen": np.array([16]), "two": np.array([2]), "minus": np.array([-1])},
    }
    assert_same_function(file_of(tmp_path / "m.onnx", nodes, constants), (2, 9, 8))


@pytest.mark.parametrize("name", LAST)
def test_a_network_with_its_channels_last_takes_examples_with_channels_first(name, tmp_path):
    make, shape = LAST[name]
    path = export(trained(make), shape, tmp_path / "m.onnx")
    network = read(path)
    assert json.loads(network.architecture)["nodes"][0]["shape"] == [shape[-1], *shape[:-1]]
    x = np.random.default_rng(0).normal(size=(6, *shape)).astype(np.float32)
    expected = of_file(path, x)
    found = ours(network, np.moveaxis(x, -1, 1))
    assert np.abs(found - expected).max() <= TOLERANCE * max(1.0, np.abs(expected).max())
    assert expected.std(axis=0).max() > 1e-3


@pytest.mark.slow  # half a minute
@pytest.mark.parametrize("name", ["lenet", "vgg"])
def test_the_newer_exporter_with_weights_in_a_file_beside_it(name, tmp_path):
    make, shape = MODELS[name]
    model = trained(make)
    path = export(
        model, shape, tmp_path / "m.onnx", dynamo=True, external_data=True,
        dynamic_axes=None, input_names=None,
        dynamic_shapes=({0: torch.export.Dim.DYNAMIC},),
    )  # fmt: skip
    assert (tmp_path / "m.onnx.data").exists()
    assert_same_function(path, shape)


def test_weights_may_be_in_a_file_beside_it(tmp_path):
    make, shape = MODELS["lenet"]
    path = export(trained(make), shape, tmp_path / "m.onnx")
    alone = read(path)
    onnx.save_model(
        onnx.load(path), path, save_as_external_data=True, location="w.bin", size_threshold=0
    )
    assert read(path).weights == alone.weights
    assert (tmp_path / "w.bin").stat().st_size > 1000


def test_the_preparation_of_the_inputs_is_part_of_the_network(tmp_path):
    make, shape = MODELS["vgg"]
    model = trained(make)
    path = export(model, shape, tmp_path / "m.onnx")
    stored = np.random.default_rng(0).integers(0, 256, (4, *shape)).astype(np.uint8)
    mean, std = (0.48, 0.45, 0.4), (0.23, 0.22, 0.21)

    network = read(path, Preparation(scale=255.0, mean=mean, std=std))

    prepared = (stored / 255.0 - np.reshape(mean, (3, 1, 1))) / np.reshape(std, (3, 1, 1))
    expected = of_file(path, prepared)
    assert np.abs(ours(network, stored) - expected).max() < TOLERANCE * np.abs(expected).max()


@pytest.mark.parametrize("version", [14, 17])  # without an operation of its own for GELU
def test_an_activation_of_several_operations_becomes_one_layer(version, tmp_path):
    make, shape = MODELS["activations"]
    path = export(trained(make), shape, tmp_path / "m.onnx", opset_version=version)
    assert "Erf" in {node.op_type for node in onnx.load(path).graph.node}
    network = assert_same_function(path, shape)
    kinds = [node["kind"] for node in json.loads(network.architecture)["nodes"]]
    assert [kinds.count(kind) for kind in ("gelu", "tanh", "sigmoid", "scale")] == [2, 1, 1, 1]


# --- single operations ---------------------------------------------------------------------------


def file_of(
    path: Path, nodes: list, constants: dict[str, np.ndarray], shape: tuple[int, ...] = (2, 9, 8)
) -> Path:
    """A file with these operations from "x" to "y"."""
    graph = helper.make_graph(
        nodes,
        "made",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", *shape])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    opset = [helper.make_opsetid("", 17)]
    path.write_bytes(
        helper.make_model(graph, opset_imports=opset, ir_version=9).SerializeToString()
    )
    return path


def normal(*shape: int, seed: int = 3) -> np.ndarray:
    """The same numbers in whatever order the tests run."""
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def ending(source: str, features: int) -> tuple[list, dict[str, np.ndarray]]:
    """A flattening and a classifier with three classes behind a value."""
    weight = normal(features, 3)
    nodes = [
        helper.make_node("Flatten", [source], ["flat"]),
        helper.make_node("MatMul", ["flat", "classes"], ["logits"]),
        helper.make_node("Add", ["logits", "offsets"], ["y"]),
    ]
    return nodes, {"classes": weight, "offsets": np.array([1.0, -2.0, 0.5], np.float32)}


sides = st.integers(5, 12)


@settings(max_examples=40, deadline=None)
@given(
    sides=st.tuples(sides, sides),
    kernel=st.tuples(st.integers(1, 5), st.integers(1, 5)),
    strides=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    pads=st.tuples(*[st.integers(0, 3)] * 4),
    dilation=st.integers(1, 2),
    dilations=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    pool=st.tuples(
        st.sampled_from(["MaxPool", "AveragePool"]),
        *[st.tuples(st.integers(1, 3), st.integers(1, 3))] * 2,
        st.tuples(*[st.integers(0, 2)] * 4),
    ),
    ceil=st.booleans(),
    include=st.booleans(),
)
def test_any_window_keeps_its_function(
    tmp_path_factory, sides, kernel, strides, pads, dilation, dilations, pool, ceil, include
):
    """Two convolutions and a pool with any windows; one kind of mean is no layer of ours."""
    kind, sizes, steps, pool_pads = pool
    apart = dilations if kind == "MaxPool" else (1, 1)
    spans = [(size - 1) * one + 1 for size, one in zip(sizes, apart, strict=True)]
    pool_pads = [min(pad, size - 1) for pad, size in zip(pool_pads, [*sizes, *sizes], strict=True)]
    ends = zip(pads[:2], pads[2:], pool_pads[:2], pool_pads[2:], strict=True)
    axes = zip(sides, kernel, strides, spans, steps, ends, strict=True)
    for side, span, stride, size, step, (before, after, first, last) in axes:
        length = (side + before + after - (span - 1) * dilation - 1) // stride
        assume(length >= size)
        # onnx infers one window more than onnxruntime computes where a last one has no values
        free = length + first + last - size
        assume(not ceil or -(-free // step) * step < length + first)
    a = {"strides": list(strides), "pads": list(pads), "dilations": [dilation] * 2}
    of_pool = {"kernel_shape": list(sizes), "strides": list(steps), "ceil_mode": int(ceil)}
    of_pool["pads"] = pool_pads
    if kind == "AveragePool":
        of_pool["count_include_pad"] = int(include)
    else:
        of_pool["dilations"] = list(apart)
    nodes = [
        helper.make_node("Conv", ["x", "first"], ["a"], **a),
        helper.make_node("Relu", ["a"], ["b"]),
        helper.make_node("Conv", ["b", "second"], ["c"]),
        helper.make_node(kind, ["c"], ["y"], **of_pool),
    ]
    constants = {
        "first": normal(3, 2, *kernel),
        "second": normal(3, 3, 2, 2, seed=4),
    }
    folder = tmp_path_factory.mktemp("made")
    x = normal(3, 2, *sides, seed=5)
    features = of_file(file_of(folder / "features.onnx", nodes, constants, (2, *sides)), x)
    more, values = ending("d", features[0].size)
    nodes[-1].output[0] = "d"
    path = file_of(folder / "m.onnx", [*nodes, *more], constants | values, (2, *sides))
    expected = of_file(path, x)
    refusal = ""
    try:
        network = read(path)
    except UnsupportedOperation as error:
        refusal = str(error)
    if refusal:
        is_equal = len(set(pool_pads)) == 1 and pool_pads[0] <= min(sizes) // 2
        assert (include, ceil, is_equal) == (True, True, False)
        assert "counts zeros around its input and has incomplete windows" in refusal
        return
    assert np.abs(ours(network, x) - expected).max() <= TOLERANCE * max(1, np.abs(expected).max())


@pytest.mark.parametrize("padding", ["SAME_UPPER", "SAME_LOWER", "VALID"])
@pytest.mark.parametrize("kind", ["Conv", "MaxPool", "AveragePool"])
@pytest.mark.parametrize(("size", "stride"), [(3, 2), (2, 1), (2, 2), (4, 3)])
def test_padding_by_name_keeps_the_function(kind, padding, size, stride, tmp_path):
    a = {"kernel_shape": [size] * 2, "strides": [stride] * 2, "auto_pad": padding}
    counted = {"count_include_pad": 1} if kind == "AveragePool" and stride == 2 else {}
    kernels = ["w"] if kind == "Conv" else []
    nodes = [helper.make_node(kind, ["x", *kernels], ["c"], **a, **counted)]
    fits = padding == "VALID"
    sides = [(side - size) // stride + 1 if fits else -(-side // stride) for side in (9, 8)]
    more, values = ending("c", 2 * sides[0] * sides[1])
    constants = values | {"w": normal(2, 2, size, size)}
    path = file_of(tmp_path / "m.onnx", [*nodes, *more], constants)
    network = assert_same_function(path, (2, 9, 8))
    layer = architecture_of(network)[0].node(2).layer
    assert getattr(layer, "kernel", size) in (size, size + 1)  # an even one grows by one


def test_padding_at_one_end_costs_no_larger_kernel(tmp_path):
    """As of TensorFlow: strides of 2 on even sides."""
    model = trained(lambda: torch.nn.Sequential(Same(torch.nn.Conv2d(2, 3, 3, 2), 3, 2)))
    model.append(torch.nn.Flatten()).append(torch.nn.Linear(48, 3))
    path = export(model.eval(), (2, 8, 8), tmp_path / "m.onnx")
    network = assert_same_function(path, (2, 8, 8))
    assert architecture_of(network)[0].node(2).layer == Conv2d(3, 3, 2, pads=(0, 0, 1, 1))
    assert network.parameters == 2 * 2 + sum(one.numel() for one in model.parameters())


def test_incomplete_windows_stay_a_field_of_the_pool(tmp_path):
    """The padding of TensorFlow at the end of even sides is the same as torch's ceil_mode."""
    for kind, layer in (("MaxPool", MaxPool2d), ("AveragePool", AvgPool2d)):
        same = {"kernel_shape": [3, 3], "strides": [2, 2], "auto_pad": "SAME_UPPER"}
        more, values = ending("c", 2 * 4 * 4)
        nodes = [helper.make_node(kind, ["x"], ["c"], **same), *more]
        path = file_of(tmp_path / "m.onnx", nodes, values, (2, 8, 8))
        network = assert_same_function(path, (2, 8, 8))
        assert architecture_of(network)[0].node(2).layer == layer(3, 2, ceil_mode=True)


@pytest.mark.parametrize("kind", ["Add", "Sub", "Mul", "Div"])
@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("shape", [(), (2, 1, 1), (1, 1, 1, 1)])
def test_numbers_for_each_channel_at_the_input_and_later(kind, first, shape, tmp_path):
    constant = np.asarray(np.abs(normal(*shape)) + 0.5, np.float32)
    more, values = ending("c", 2 * 9 * 8)
    nodes = [
        helper.make_node(kind, ["k", "x"] if first else ["x", "k"], ["a"]),
        helper.make_node("Relu", ["a"], ["b"]),
        helper.make_node(kind, ["k", "b"] if first else ["b", "k"], ["c"]),
    ]
    path = file_of(tmp_path / "m.onnx", [*nodes, *more], values | {"k": constant})
    if kind == "Div" and first:
        with pytest.raises(UnsupportedOperation, match=r"Div.*division by constants"):
            read(path)
        return
    assert_same_function(path, (2, 9, 8))


def test_a_bias_is_not_merged_where_another_operation_reads_the_layer(tmp_path):
    more, values = ending("d", 2 * 9 * 8)
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["a"], pads=[1, 1, 1, 1]),
        helper.make_node("Identity", ["a"], ["b"]),
        helper.make_node("Add", ["b", "k"], ["c"]),
        helper.make_node("Add", ["a", "c"], ["d"]),
    ]
    weight = normal(2, 2, 3, 3)
    constants = values | {"w": weight, "k": np.ones((2, 1, 1), np.float32)}
    assert_same_function(file_of(tmp_path / "m.onnx", [*nodes, *more], constants), (2, 9, 8))


def make(kind: str, **attributes: object) -> list:
    return [helper.make_node(kind, ["x"], ["c"], name="the one", **attributes)]


def padded(count: int, kind: str, *, filling: str = "", **attributes: object) -> list:
    """An operation behind a Pad before the first axis and after the second."""
    sizes = {"kernel_shape": [3, 3]} if "Pool" in kind else {}
    pad = helper.make_node("Pad", ["x", f"pads{count}", *filter(None, [filling])], ["p"])
    return [pad, helper.make_node(kind, ["p"], ["c"], name="the one", **sizes, **attributes)]


@pytest.mark.parametrize(
    ("nodes", "words"),
    [
        (make("LeakyRelu"), r"'the one' \(LeakyRelu\).*nearest that can be taken is Relu"),
        (make("Mish"), r"Mish \(1\).*nearest that can be taken is SiLU, GELU, HardSwish or Tanh"),
        (make("HardSigmoid"), "slope 0.2 and 0.5 at 0; expected 1/6 and 0.5"),
        (make("Gelu", approximate="tanh"), "approximation 'tanh'; expected approximate='none'"),
        (
            [
                helper.make_node("MaxPool", ["x"], ["p"], kernel_shape=[2, 2]),
                helper.make_node("Mul", ["x", "p"], ["c"]),
            ],
            "expected equal shapes, one factor for each channel, or a constant",
        ),
        (
            make("Transpose", perm=[0, 2, 1, 3]),
            r"orders the axes as \[0, 2, 1, 3\].* in place of a",
        ),
        (
            [
                helper.make_node("Transpose", ["x"], ["last"], perm=[0, 2, 3, 1]),
                helper.make_node("Conv", ["last", "kernels"], ["c"]),
            ],
            "'number 1' .*has its channels last; expected them first",
        ),
        (
            [
                helper.make_node("GlobalAveragePool", ["x"], ["mean"]),
                helper.make_node("Expand", ["mean", "whole"], ["wide"]),
                helper.make_node("Relu", ["wide"], ["c"]),
            ],
            "has been expanded; expected a Mul behind an Expand",
        ),
        ([helper.make_node("Expand", ["x", "batch"], ["c"])], "one number for each channel"),
        (
            [
                helper.make_node("Transpose", ["x"], ["last"], perm=[0, 2, 3, 1]),
                helper.make_node("Flatten", ["last"], ["moved"]),
                helper.make_node("Flatten", ["x"], ["other"]),
                helper.make_node("Add", ["moved", "other"], ["c"]),
            ],
            "the numbers of the others have another order",
        ),
        (make("ReduceMax", axes=[1]), "expected all spatial axes; .*ReduceMax over all positions"),
        (make("Clip", min=0.0, max=1.0), "from 0.0 to 1.0; expected from 0 to 6"),
        (
            make("MaxPool", kernel_shape=[2, 3], strides=[1, 2], pads=[2, 0, 0, 0]),
            "no layer of ours with windows of size 2 × 3, stride 1 × 2 and padding",
        ),
        (
            make("AveragePool", kernel_shape=[2, 2], dilations=[2, 3]),
            r"'the one' \(AveragePool\).*size 2 × 2 have dilations 2 × 3; the nearest that can be "
            "taken is an average pool without dilation, of size 3 × 4",
        ),
        (make("MaxPool", kernel_shape=[2, 2], pads=[0, 0, 2, 0]), "a value of the input in each"),
        (padded(2, "MaxPool"), "expected a Relu before the Pad, or the padding in the pool"),
        (padded(1, "MaxPool", filling="one"), "adds 1; expected zeros, or -inf before a MaxPool"),
        (padded(1, "AveragePool", pads=[1] * 4), "expected one of both"),
        (padded(1, "AveragePool", filling="least"), "adds other numbers than zeros"),
        (padded(1, "Relu"), "expected a Conv or a pool behind a Pad"),
        (padded(1, "ReduceMean", axes=[2, 3]), "expected a Conv or a pool behind a Pad"),
        (make("ReduceMean", axes=[1]), "expected all spatial axes"),
        (make("Softmax"), "expected the classes, at the end"),
        (make("Cast", to=6), "cast to float32"),
        ([helper.make_node("Add", ["x", "nowhere"], ["c"])], "reads 'nowhere'"),
        ([helper.make_node("Mul", ["x", "map"], ["c"])], r"constant has shape \(9, 8\)"),
        ([helper.make_node("Conv", ["x", "x"], ["c"])], "is computed; expected a constant"),
        ([helper.make_node("Conv", ["x", "map"], ["c"])], "kernels have shape"),
    ],
)
def test_an_operation_that_cannot_be_taken_is_named(nodes, words, tmp_path):
    more, values = ending("c", 144)
    values |= {"map": np.ones((9, 8), np.float32), "one": np.ones((), np.float32)}
    values |= {"least": np.array(-np.inf, np.float32), "kernels": normal(2, 8, 1, 1)}
    values |= {"whole": np.array([1, 2, 9, 8]), "batch": np.array([1, 2, 2, 9, 8])}
    values |= {f"pads{n}": np.array([0, 0, n, 0, 0, 0, 0, n]) for n in (1, 2)}
    if nodes[0].op_type == "Clip":
        del nodes[0].attribute[:]
        values |= {"least": np.array(0.0, np.float32), "most": np.array(1.0, np.float32)}
        nodes[0].input.extend(["least", "most"])
    path = file_of(tmp_path / "m.onnx", [*nodes, *more], values)
    with pytest.raises(UnreadableNetwork, match=words):
        read(path)


@pytest.mark.parametrize("name", ["resnet", "lenet", "prepared"])
@settings(
    max_examples=30,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data())
def test_a_damaged_file_is_refused_or_has_another_function(name, data, tmp_path):
    """Operations that lose inputs, outputs and attributes, constants that lose values."""
    make, shape = MODELS[name]
    path = tmp_path / "m.onnx"
    if not path.exists():
        export(trained(make), shape, path)
    model = onnx.load(path)
    node = data.draw(st.sampled_from(model.graph.node))
    part = data.draw(st.sampled_from([node.input, node.output, node.attribute]))
    if part and data.draw(st.booleans()):
        del part[data.draw(st.integers(0, len(part) - 1)) :]
    elif node.attribute:
        chosen = data.draw(st.sampled_from(node.attribute))
        chosen.CopyFrom(helper.make_attribute(chosen.name, data.draw(ATTRIBUTES)))
    damaged = tmp_path / "damaged.onnx"
    damaged.write_bytes(model.SerializeToString())
    with contextlib.suppress(UnreadableNetwork):
        json.loads(read(damaged).architecture)


ATTRIBUTES = st.one_of(
    st.integers(-5, 5), st.just("text"), st.just([1.5]), st.lists(st.integers(-3, 9), min_size=1)
)


def test_an_output_that_is_no_vector_is_refused(tmp_path):
    path = file_of(tmp_path / "m.onnx", [helper.make_node("Relu", ["x"], ["y"])], {})
    with pytest.raises(UnreadableNetwork, match=r"shape \(2, 9, 8\).*expected \(classes,\)"):
        read(path)


# --- files ---------------------------------------------------------------------------------------


def test_files_that_hold_no_network_are_refused(tmp_path):
    for name, data, words in (
        ("m.onnx", b"hello", "not an ONNX file"),
        ("m.onnx", b"", "not an ONNX file"),
        ("m.pt", b"", "no known kind"),
        ("m.json", b"{", "not JSON"),
        ("m.json", b"[]", "expected an object"),
        ("m.json", b"{}", "no architecture"),
    ):
        path = tmp_path / name
        path.write_bytes(data)
        with pytest.raises(UnreadableNetwork, match=words):
            read(path)
    with pytest.raises(UnreadableNetwork, match="there is no file"):
        read(tmp_path / "absent.onnx")


@pytest.mark.parametrize(
    ("location", "words"),
    [
        ("../secret", "in the same folder"),
        ("/etc/passwd", "in the same folder"),
        ("..", "in the same folder"),
        ("link", "is a link"),
        ("absent", "cannot be read"),
        ("short", "is damaged"),
    ],
)
def test_weights_are_read_from_the_same_folder_alone(location, words, tmp_path):
    (tmp_path / "secret").write_bytes(bytes(1000))
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "link").symlink_to(tmp_path / "secret")
    (folder / "short").write_bytes(bytes(8))
    more, values = ending("x", 144)
    path = file_of(folder / "m.onnx", more, values)
    model = onnx.load_model_from_string(path.read_bytes())
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", location
    path.write_bytes(model.SerializeToString())
    with pytest.raises(UnreadableNetwork, match=words):
        read(path)


def test_an_input_of_unknown_shape_is_refused(tmp_path):
    more, values = ending("x", 144)
    path = file_of(tmp_path / "m.onnx", more, values, shape=(2, "h", "w"))
    with pytest.raises(UnreadableNetwork, match="with an example of the data's shape"):
        read(path)
