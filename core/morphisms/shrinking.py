"""The interface of morphisms that shrink: the remaining layers make up for the removed part.

These are approximate morphisms as in Elsken, Metzen & Hutter 2019 (arXiv:1804.09081, section 3.2).
"""

from abc import abstractmethod
from typing import ClassVar

import numpy as np

from core.graph.architecture import Architecture
from core.graph.weights import Weights
from core.layers import Array
from core.morphisms.abstract import AbstractMorphism, TransferRequest
from core.morphisms.activations import select_probe
from core.morphisms.reduction import Reduction, reduce_architecture
from core.morphisms.refit import refit_weights


class AbstractShrinking(AbstractMorphism):
    """A change that removes something and preserves the function only approximately."""

    __slots__ = ()

    preserves_function: ClassVar[bool] = False
    draws: ClassVar[float] = 1 / 3  # the three kinds together as often as one that grows

    @abstractmethod
    def reduction(self, architecture: Architecture) -> Reduction:
        """The parts to remove, whatever the weights; raises IllegalMorphism if they cannot be."""

    def chosen(self, architecture: Architecture, weights: Weights, x: Array) -> Reduction:
        """The parts to remove, given the weights and examples x of shape (N, *input_shape).

        They have the same sizes as in `reduction`, but may be other channels.
        """
        return self.reduction(architecture)

    def apply(self, architecture: Architecture) -> Architecture:
        return reduce_architecture(architecture, self.reduction(architecture))

    def transfer(self, request: TransferRequest) -> Weights:
        architecture, weights = request.architecture, request.weights
        x = select_probe(architecture, weights, request.rng, request.probe)
        with np.errstate(all="ignore"):  # activations may overflow: nothing is fitted then
            return refit_weights(architecture, weights, self.chosen(architecture, weights, x), x)
