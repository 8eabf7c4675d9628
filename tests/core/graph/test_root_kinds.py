"""The kinds of networks that searches start from."""

import pytest

from core.graph.root_kinds import BUILDERS
from core.layers import Add, BatchNorm, Conv2d, MaxPool2d
from tests.core.graph.test_roots import spec


def convolutions(root):
    return [root.shapes[node.id] for node in root.nodes if isinstance(node.layer, Conv2d)]


@pytest.mark.parametrize(
    ("side", "expected"),
    [
        (32, [32, 32, 16, 16, 16, 8, 4, 4]),  # a stem at full resolution
        (64, [32, 32, 16, 16, 16, 8, 4, 4]),  # a stem that halves
        (8, [8, 8, 4, 4, 4, 2, 2, 2]),  # pooled while there are four rows
    ],
)
def test_a_resnet9_reduces_images_to_a_few_rows(side, expected):
    root = BUILDERS["resnet9"](spec(3, side, side), 1.0)
    filters = [16, 32, 32, 32, 64, 128, 128, 128]
    assert [shape[0] for shape in convolutions(root)] == filters
    assert [shape[1] for shape in convolutions(root)] == expected


def test_a_resnet9_pools_before_the_batch_norm_and_has_two_residual_blocks():
    root = BUILDERS["resnet9"](spec(3, 32, 32), 1.0)
    layers = {node.id: node.layer for node in root.nodes}
    pools = [node for node in root.nodes if isinstance(node.layer, MaxPool2d)]
    followers = [
        type(node.layer) for node in root.nodes for pool in pools if node.inputs == (pool.id,)
    ]
    assert followers == [BatchNorm] * 3
    assert [type(layers[pool.inputs[0]]) for pool in pools] == [Conv2d] * 3
    assert sum(isinstance(layer, Add) for layer in layers.values()) == 2
