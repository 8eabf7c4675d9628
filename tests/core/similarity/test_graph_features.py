"""Graph features, against paths walked one by one."""

from math import log, log1p, prod

import numpy as np
from hypothesis import given

from benchmarks.histories import history
from core.graph.architecture import Architecture
from core.layers import BatchNorm, Channels
from core.similarity.encoding import NodeEncoder
from core.similarity.graph_features import NAMES, graph_features
from tests.strategies import architectures


def numbers(*graphs: Architecture) -> np.ndarray:
    coder = NodeEncoder()
    coded = coder.encode(graphs)
    return graph_features(graphs, coded, coder.facts)


def paths_to(graph: Architecture, node_id: int) -> list[list[int]]:
    node = graph.node(node_id)
    before = [path for source in node.inputs for path in paths_to(graph, source)]
    return [[*path, node_id] for path in before] or [[node_id]]


def naive(graph: Architecture) -> list[float]:
    """By walking every path from the input to the output."""
    weighted = {
        node.id
        for node in graph.nodes
        if "weight" in node.layer.parameter_shapes(graph.input_shapes(node))
        and not isinstance(node.layer, BatchNorm)
    }
    lengths = [len(weighted & {*path}) for path in paths_to(graph, graph.nodes[-1].id)]
    kernels = [
        layer.kernel for layer in (node.layer for node in graph.nodes) if hasattr(layer, "kernel")
    ]
    widths = [
        graph.shapes[node.id][0] for node in graph.nodes if node.layer.channels is Channels.OWN
    ]
    maps = [shape for shape in graph.shapes.values() if len(shape) > 1]
    return [
        log1p(graph.parameters),
        log1p(graph.flops),
        log1p(min(lengths)),
        log1p(np.mean(lengths)),
        log(len(lengths)),
        log1p(sum(max(len(node.inputs) - 1, 0) for node in graph.nodes)),
        float(np.mean(kernels)) if kernels else 0.0,
        float(np.mean(np.log(widths))),
        log(maps[-1][0]) if maps else 0.0,
        log(prod(maps[-1][1:])) if maps else 0.0,
    ]


@given(graph=architectures())
def test_the_features_are_those_of_all_paths(graph):
    np.testing.assert_allclose(numbers(graph)[0], naive(graph), rtol=1e-9, atol=1e-12)


def test_the_features_of_an_architecture_do_not_depend_on_others():
    graphs = [trial.architecture for trial in history(12, seed=2)]
    together = numbers(*graphs)
    assert together.shape == (12, len(NAMES))
    for row, graph in zip(together, graphs, strict=True):
        np.testing.assert_array_equal(row, numbers(graph)[0])


def test_no_architectures_have_no_features():
    assert numbers().shape == (0, len(NAMES))
