"""Headers become values, or count as absent."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.edge.parsing import host_in, version_in


@pytest.mark.parametrize(
    ("header", "version"),
    [
        ('"7"', 7),
        ('W/"7"', 7),
        ("7", 7),
        (" 7 ", 7),
        ("0", 0),
        ("²", None),
        ("٣", None),
        ("-1", None),
        ('"7", "8"', None),
        ("9" * 20, None),
        ('"' + "7" * 5000 + '"', None),
        (" " * 5000 + "7", 7),
        ("", None),
        (None, None),
        ("*", None),
    ],
)
def test_a_version_is_read_from_an_etag_or_an_event_id(header, version) -> None:
    assert version_in(header) == version


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("http://localhost:8000", "localhost:8000"),
        ("https://netmorph.example", "netmorph.example"),
        ("http://[::1]:8000", "[::1]:8000"),
        ("http://[", None),
        ("null", None),
        ("", None),
    ],
)
def test_the_host_of_an_origin_is_read(origin, host) -> None:
    assert host_in(origin) == host


@given(st.text())
def test_any_header_is_read_or_counts_as_absent(text) -> None:
    version = version_in(text)
    assert version is None or 0 <= version < 10**19
    assert host_in(text) is None or host_in(text)
