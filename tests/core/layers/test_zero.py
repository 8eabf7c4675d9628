"""The zero operation."""

import numpy as np
import pytest

from core.errors import InvalidArchitecture
from core.layers import Zero


@pytest.mark.parametrize(
    ("stride", "shape", "expected"),
    [
        (1, (3, 5, 4), (3, 5, 4)),
        (2, (3, 5, 4), (3, 3, 2)),
        (3, (3, 8), (3, 3)),
        (1, (5,), (5,)),
    ],
)
def test_a_zero_operation_reduces_as_a_convolution_and_ignores_even_infinite_values(
    stride, shape, expected
):
    y = Zero(stride).forward({}, [np.full((2, *shape), np.inf, np.float32)])
    assert y.shape == (2, *expected)
    assert y.dtype == np.float32
    assert not y.any()


def test_a_vector_has_no_axis_to_stride_over():
    with pytest.raises(InvalidArchitecture, match=r"expected an image .* or a signal"):
        Zero(2).output_shape([(5,)])
