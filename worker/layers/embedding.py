"""A vector for each token of a text."""

from collections.abc import Sequence
from typing import Self

from torch import Tensor, nn

from core.layers import Embedding, Shape
from worker.layers.module import MODULES, AbstractModule


@MODULES.register("embedding")
class EmbeddingModule(nn.Embedding, AbstractModule[Embedding]):
    """torch's embedding of token numbers that come as floating-point values."""

    @classmethod
    def of(cls, layer: Embedding, inputs: Sequence[Shape]) -> Self:
        return cls(layer.vocabulary, layer.units)

    def forward(self, x: Tensor) -> Tensor:
        """(N, 1, length) -> (N, units, length)"""
        tokens = x.squeeze(1).round().clamp(0, self.num_embeddings - 1).long()
        return super().forward(tokens).transpose(1, 2).contiguous()
