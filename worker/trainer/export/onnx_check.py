"""An ONNX file is offered only if its results are those of the network.

The file is run by the reference evaluator of the package onnx, in numpy, on a few real training
examples. Its pools are loops of Python, so those of our layers replace them.
"""

from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from onnx.reference import ReferenceEvaluator
from onnx.reference.op_run import OpRun
from torch import Tensor

from core.layers import Array, AvgPool1d, AvgPool2d, MaxPool1d, MaxPool2d
from core.layers.windows import pad_ends
from worker.trainer.export.onnx_heads import Head
from worker.trainer.export.onnx_model import INPUT, OnnxUnavailable

FEWEST, MOST = 2, 16  # examples that a file is checked on; several, as their number is open
FLOPS = 500_000_000  # of a check, about: the evaluator is slow
ROUNDING = 1e-4  # of the largest output of the network, or of one


class MaxPool(OpRun):
    """The operator of this name, along any number of spatial axes."""

    op_domain = ""

    def _run(
        self,
        x: Array,
        kernel_shape: Any,
        pads: Any,
        strides: Any,
        dilations: Any = None,
        **_: Any,
    ) -> tuple[Array]:
        kind = (MaxPool1d, MaxPool2d)[x.ndim - 3]
        dilation = _length(dilations) if dilations else 1
        pool = kind(_length(kernel_shape), _length(strides), dilation=dilation)
        return (pool.forward({}, [_padded(x, pads, -np.inf)]),)


class AveragePool(OpRun):
    """The operator of this name, along any number of spatial axes."""

    op_domain = ""

    def _run(
        self,
        x: Array,
        kernel_shape: Any,
        pads: Any,
        strides: Any,
        count_include_pad: int | None = None,
        **_: Any,
    ) -> tuple[Array]:
        pool = (AvgPool1d, AvgPool2d)[x.ndim - 3](_length(kernel_shape), _length(strides))
        means = pool.forward({}, [_padded(x, pads)])
        if count_include_pad:
            return (means,)
        present = pool.forward({}, [_padded(np.ones_like(x[:1, :1]), pads)])  # share of a window
        return (means / present,)


def _length(lengths: Any) -> int | tuple[int, ...]:
    """The lengths along the axes as a layer has them: one number where they are equal."""
    found = tuple(int(length) for length in lengths)
    return found[0] if len(set(found)) == 1 else found


def _padded(x: Array, pads: Any, value: float = 0.0) -> Array:
    """The values inside of an operator's pads: all that come before, then all that come after."""
    return pad_ends(x, [*zip(pads[: x.ndim - 2], pads[x.ndim - 2 :], strict=True)], value)


def examples_checked(flops: int, available: int) -> int:
    """How many of the available examples a network of these FLOPs for one is checked on."""
    return min(available, MOST, max(FEWEST, FLOPS // max(1, flops)))


def check_onnx(model: bytes, head: Head, examples: NDArray[Any], outputs: Tensor) -> None:
    """Raise OnnxUnavailable unless the file's results are those of the network's outputs.

    `examples` have the axes and the type of the file's input. Results may also differ by one step
    of their type: for large numbers that hardly vary, one step of float64 is above the bound.
    """
    evaluator = ReferenceEvaluator(model, new_ops=[MaxPool, AveragePool])
    try:
        with np.errstate(over="ignore", under="ignore", invalid="ignore"):  # its Sigmoid corrects
            (found,) = cast(list[Array], evaluator.run(None, {INPUT: examples}))
    except Exception as error:  # whatever the evaluator raises, the rest of the export is good
        raise OnnxUnavailable(f"onnx cannot run it: {type(error).__name__}: {error}") from error
    expected = head.compute(outputs)
    allowed = ROUNDING * max(1.0, float(outputs.abs().max()))
    step = np.spacing(np.abs(expected))
    difference = float((np.maximum(np.abs(found - expected) - step, 0) / head.unit).max())
    if found.shape != expected.shape or not difference <= allowed:
        raise OnnxUnavailable(
            f"its results for {len(examples)} training examples differ from those of the network "
            f"by up to {difference:g}; expected at most {allowed:g}"
        )
