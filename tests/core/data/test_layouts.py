"""The axes of examples: given, concluded by the documented rule, or unclear with a warning."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from core.data.layouts import LAYOUTS, layout_of
from core.errors import InvalidDataset

N = 30


@pytest.mark.parametrize(
    ("shape", "letters", "warned"),
    [
        ((7,), "NF", False),
        ((8, 9), "NHW", False),
        ((1, 64), "NHW", True),
        ((64, 2), "NHW", True),
        ((8, 9, 3), "NHWC", False),
        ((8, 9, 4), "NHWC", False),
        ((28, 28, 1), "NHWC", False),
        ((3, 8, 9), "NCHW", False),
        ((1, 3, 3), "NCHW", False),
        ((1, 1, 16), "NCHW", True),
        ((3, 4, 4), "NCHW", False),
        ((13, 32, 32), "NCHW", False),
        ((32, 32, 13), "NHWC", False),
        ((5, 32, 31), "NHWC", True),
        ((3, 3, 3), "NHWC", True),
        ((13, 13, 13), "NHWC", True),
    ],
)
def test_the_sizes_of_the_axes_say_what_they_are(shape, letters, warned) -> None:
    found = layout_of((N, *shape))

    assert found.letters == letters
    assert bool(found.warning) == warned
    assert found.reason


@pytest.mark.parametrize("letters", LAYOUTS)
def test_a_given_layout_goes_before_the_rule(letters: str) -> None:
    shape = tuple(range(3, 3 + len(letters)))

    found = layout_of(shape, letters)

    assert (found.letters, found.reason, found.warning) == (letters, "as given", "")
    x = np.arange(np.prod(shape)).reshape(shape)
    ordered = found.channels_first(x)
    assert ordered.size == x.size
    assert len(ordered) == shape[0]
    if "C" in letters:
        assert ordered.shape[1] == shape[letters.index("C")]


@pytest.mark.parametrize(
    ("shape", "given_layout", "message"),
    [
        ((N,), None, "shape (30,); expected (N, H, W)"),
        ((N, 1, 2, 3, 4), None, "shape (30, 1, 2, 3, 4); expected"),
        ((N, 0), None, "shape (30, 0), which holds no values; expected"),
        ((N, 4), "NHW", "expected 3 axes as layout 'NHW'"),
        ((N, 4), "HWN", "layout is 'HWN'; expected one of NHW, NHWC"),
    ],
)
def test_shapes_that_are_no_examples_are_refused(shape, given_layout, message) -> None:
    with pytest.raises(InvalidDataset) as caught:
        layout_of(shape, given_layout)
    assert message in str(caught.value)


@example((5, 1, 2))
@given(st.tuples(*[st.integers(1, 40)] * 3))
def test_the_other_order_of_the_same_images_is_seen_or_there_is_a_warning(shape) -> None:
    """Where both orders of one array are clear, they name the same axis."""
    channels, height, width = shape
    first, last = layout_of((N, channels, height, width)), layout_of((N, height, width, channels))
    if not (first.warning or last.warning):
        names = dict(zip(first.letters[1:], shape, strict=True))
        assert names["C"] == dict(zip(last.letters[1:], (*shape[1:], shape[0]), strict=True))["C"]
