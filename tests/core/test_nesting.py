"""The depth of JSON texts, against a count that goes through the value."""

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from core.nesting import Nesting, depth_of

LEAVES = st.none() | st.integers() | st.text('[]{}\\"é', max_size=8)
VALUES = st.recursive(
    LEAVES, lambda one: st.lists(one, max_size=3) | st.dictionaries(st.text('[}"\\'), one)
)


def levels(value: Any) -> int:
    if isinstance(value, dict):
        return 1 + max(map(levels, value.values()), default=0)
    if isinstance(value, list):
        return 1 + max(map(levels, value), default=0)
    return 0


@settings(max_examples=30)
@given(VALUES, st.booleans())
def test_the_depth_is_that_of_the_value(value: Any, ascii_only: bool) -> None:
    assert depth_of(json.dumps(value, ensure_ascii=ascii_only).encode()) == levels(value)


@settings(max_examples=30)
@given(st.lists(VALUES, max_size=4))
def test_pieces_count_as_one_text(values: list[Any]) -> None:
    nesting = Nesting()
    nesting.read(b"[")
    for value in values:
        nesting.read(json.dumps(value).encode() + b",")
    nesting.read(b"]")
    assert nesting.deepest == levels([*values])


def test_brackets_that_close_nothing_hide_no_depth() -> None:
    assert depth_of(b"]]]]]\n" + b"[" * 40) == 40


def test_a_string_without_an_end_is_read_once() -> None:
    """From each of its quotation marks to its end, this text has 5 · 10^11 characters."""
    assert depth_of(b"[[" + b'"' + b'\\"' * 10**6) == 2
