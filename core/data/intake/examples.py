"""Examples of all parts in one layout and one type."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.data import scratch
from core.data.datasets import check_values
from core.data.layouts import Layout, layout_of
from core.data.padding import has_other_gaps
from core.data.stored_type import stored_type
from core.errors import InvalidDataset


def check_lengths(x: Mapping[str, NDArray[Any]], y: Mapping[str, NDArray[Any]]) -> None:
    for split, examples in x.items():
        if len(examples) != len(y[split]):
            raise InvalidDataset(
                f"found {len(examples)} {split} examples and {len(y[split])} labels; expected one "
                "label for each example"
            )


def types_of(examples: Mapping[str, NDArray[Any]]) -> str:
    return " and ".join(sorted({str(x.dtype) for x in examples.values()}))


def prepared(
    examples: Mapping[str, NDArray[Any]], axes: Layout
) -> tuple[dict[str, NDArray[Any]], np.dtype[Any]]:
    """(views of the examples with channels first, the smallest type that keeps all of them)"""
    for split, x in examples.items():
        _check_examples(split, x, axes)
    first = {split: axes.channels_first(x) for split, x in examples.items()}
    if len({x.shape[1:] for x in first.values()}) > 1:
        raise InvalidDataset(
            "; ".join(f"{split} examples have shape {x.shape[1:]}" for split, x in first.items())
            + "; expected the same"
        )
    return first, stored_type(list(first.values()))


def _check_examples(split: str, x: NDArray[Any], axes: Layout) -> None:
    if x.ndim != len(axes.letters) or 0 in x.shape:
        layout_of(x.shape, axes.letters)  # says what is wrong
    if x.dtype.kind == "f" and not np.isfinite(scratch.value_range(x)).all():
        _check_finite(split, x, axes)
        return
    check_values(x, f"{split} examples")


def _check_finite(split: str, x: NDArray[Any], axes: Layout) -> None:
    """Raise InvalidDataset for examples with NaN or infinite values, not at the end of signals."""
    if axes.kind == "signals":
        hint = ", or let NaN stand only at the end of all channels of shorter signals"
        bad = has_other_gaps(x, axes)
    else:
        are_padded = x.ndim == 2 and not has_other_gaps(x, Layout("NL", "")).any()
        hint = "; if they are signals of different lengths, give the layout NL" * are_padded
        others = tuple(range(1, x.ndim))
        bad = np.concatenate([~np.isfinite(x[one]).all(axis=others) for one in scratch.blocks(x)])
    if bad.any():  # else those of another part are refused
        raise InvalidDataset(f"{split} {_not_finite(bad)}{hint}")


def _not_finite(bad: NDArray[np.bool_]) -> str:
    """Where NaN or infinite values are: in the examples that are marked."""
    return (
        f"examples hold NaN or infinite values, in {int(bad.sum()):,} of {len(bad):,} examples, "
        f"first in number {int(bad.argmax())}; expected finite ones: remove or replace them"
    )
