"""What the morphisms that shrink share: something goes, and the layers behind make up for it.

Approximate morphisms as in Elsken, Metzen & Hutter 2019 (arXiv:1804.09081, section 3.2).
"""

from abc import abstractmethod
from typing import ClassVar

import numpy as np

from core.graph.architecture import Architecture
from core.graph.weights import Weights
from core.layers import Array
from core.morphisms.abstract import AbstractMorphism
from core.morphisms.activations import probe_of
from core.morphisms.reduction import Reduction, reduced
from core.morphisms.refit import carried


class AbstractShrinking(AbstractMorphism):
    """A change that takes something out; it does not keep the function, but loses little of it."""

    __slots__ = ()

    preserves_function: ClassVar[bool] = False
    draws: ClassVar[float] = 1 / 3  # all that shrinks as often as one kind that grows

    @abstractmethod
    def reduction(self, architecture: Architecture) -> Reduction:
        """What goes, whatever the weights; raises IllegalMorphism where it cannot."""

    def chosen(self, architecture: Architecture, weights: Weights, x: Array) -> Reduction:
        """What goes by the weights and what they make of some examples: as much, but the best."""
        return self.reduction(architecture)

    def apply(self, architecture: Architecture) -> Architecture:
        return reduced(architecture, self.reduction(architecture))

    def transfer(
        self,
        architecture: Architecture,
        weights: Weights,
        rng: np.random.Generator,
        probe: Array | None = None,
    ) -> Weights:
        x = probe_of(architecture, weights, rng, probe)
        with np.errstate(all="ignore"):  # activations may overflow: nothing is fitted then
            return carried(architecture, weights, self.chosen(architecture, weights, x), x)
