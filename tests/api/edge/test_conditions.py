"""Entity tags and ranges as RFC 9110 has them."""

import contextlib

import pytest
from fastapi import HTTPException
from hypothesis import given
from hypothesis import strategies as st
from starlette.datastructures import Headers

from api.edge import conditions

TAG = '"abc"'


@pytest.mark.parametrize(
    ("header", "weakly", "strongly"),
    [
        ('"abc"', True, True),
        ("*", True, True),
        ('W/"abc"', True, False),
        ('"x", "abc"', True, True),
        ('"x" , W/"y",\t"abc"', True, True),
        ('"a,b", "abc"', True, True),
        ('"x", W/"abc", "abc"', True, True),
        ('"abcd"', False, False),
        ("abc", False, False),
        ("", False, False),
        ('x, "abc"', False, False),
        ('"x" "abc"', False, False),
    ],
)
def test_a_tag_is_found_in_a_list_of_tags(header: str, weakly: bool, strongly: bool) -> None:
    assert conditions.names(header, TAG) == weakly
    assert conditions.names(header, TAG, strong=True) == strongly


def test_a_weak_tag_never_compares_as_a_strong_one() -> None:
    assert conditions.names('W/"abc"', 'W/"abc"')
    assert not conditions.names('W/"abc"', 'W/"abc"', strong=True)


def test_tags_in_several_headers_are_one_list() -> None:
    headers = Headers(raw=[(b"if-none-match", b'"x"'), (b"if-none-match", b'"abc"')])
    assert conditions.is_known(headers, TAG)


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("bytes=0-0", range(1)),
        ("bytes=2-5", range(2, 6)),
        ("bytes=2-", range(2, 10)),
        ("bytes=2-99", range(2, 10)),
        ("bytes=-3", range(7, 10)),
        ("bytes=-99", range(10)),
        ("Bytes = 2 - 5", range(2, 6)),
        (f"bytes=2-{'9' * 5000}", range(2, 10)),
        ("bytes=5-2", None),
        ("bytes=-", None),
        ("bytes=0-1,4-5", None),
        ("items=0-1", None),
        ("bytes=²-", None),
        ("", None),
    ],
)
def test_a_range_is_read_and_what_cannot_be_is_ignored(header: str, expected: range | None) -> None:
    headers = Headers({"Range": header})
    assert conditions.requested_range(headers, TAG, 10) == expected


@pytest.mark.parametrize(
    "header", ["bytes=10-", "bytes=10-20", "bytes=-0", "bytes=" + "9" * 5000 + "-"]
)
def test_a_range_without_a_byte_of_the_file_is_refused(header: str) -> None:
    with pytest.raises(HTTPException, match="none of them in the range") as refused:
        conditions.requested_range(Headers({"Range": header}), TAG, 10)
    assert refused.value.status_code == 416
    assert refused.value.headers == {"Content-Range": "bytes */10"}


@pytest.mark.parametrize(("tag", "counts"), [(TAG, True), ('"old"', False), ('W/"abc"', False)])
def test_a_range_is_of_the_file_with_the_tag(tag: str, counts: bool) -> None:
    headers = Headers({"Range": "bytes=2-", "If-Range": tag})
    assert (conditions.requested_range(headers, TAG, 10) is not None) == counts


@given(st.text(st.characters(codec="latin-1"), max_size=40), st.integers(0, 10))
def test_any_text_is_a_range_in_the_file_or_none_or_refused(header: str, size: int) -> None:
    headers = Headers({"Range": header})
    with contextlib.suppress(HTTPException):  # 416
        found = conditions.requested_range(headers, TAG, size)
        assert found is None or 0 <= found.start < found.stop <= size
