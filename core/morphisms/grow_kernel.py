"""Grow the kernel of a convolution: the old weights, surrounded by zeros.

Wei, Wang, Rui & Chen 2016, arXiv:1603.01670, section 4.2. The padding grows with the kernel, so
that the centre of every window stays the same, whatever the stride.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from core.errors import IllegalMorphism
from core.graph.architecture import Architecture
from core.graph.weights import Weights
from core.layers import AbstractConvolution, AbstractDepthwise
from core.morphisms.abstract import MORPHISMS, AbstractMorphism, TransferRequest, layer_at, name_of
from core.protocol.contracts.bounds import Bounds

MAX_KERNEL = {1: 15, 2: 7}  # largest kernel worth trying, by the number of spatial axes


@MORPHISMS.register("grow_kernel")
@dataclass(frozen=True, slots=True)
class GrowKernel(AbstractMorphism):
    """Give a convolution the next larger odd kernel."""

    node_id: int

    def apply(self, architecture: Architecture) -> Architecture:
        layer = self._layer(architecture)
        pads = tuple(pad + 1 for pad in layer.pads)
        larger = replace(layer, kernel=layer.kernel + 2, pads=pads)
        return architecture.with_layers({self.node_id: larger})

    def transfer(self, request: TransferRequest) -> Weights:
        architecture, weights = request.architecture, request.weights
        layer = self._layer(architecture)
        old = weights[self.node_id]
        weight = np.pad(old["weight"], [(0, 0), (0, 0), *[(1, 1)] * layer.spatial_axes])
        return weights | {self.node_id: old | {"weight": weight}}

    def describe(self, architecture: Architecture) -> str:
        old = self._layer(architecture).kernel
        name = name_of(architecture, self.node_id)
        return f"grow the kernel of {name} from {old} to {old + 2}"

    @classmethod
    def candidates(cls, architecture: Architecture, bounds: Bounds) -> Iterator[Self]:
        for node in architecture.nodes:
            match node.layer:
                case AbstractConvolution(kernel=kernel) | AbstractDepthwise(kernel=kernel):
                    _, *sides = architecture.shapes[node.inputs[0]]
                    reads_values = kernel // 2 < max(sides)  # else new weights read only padding
                    if reads_values and kernel + 2 <= MAX_KERNEL[len(sides)]:
                        yield cls(node.id)

    def _layer(self, architecture: Architecture) -> AbstractConvolution | AbstractDepthwise:
        layer = layer_at(architecture, self.node_id)
        if not isinstance(layer, AbstractConvolution | AbstractDepthwise):
            raise IllegalMorphism(f"node {self.node_id} is {layer!r}; expected a convolution")
        return layer
