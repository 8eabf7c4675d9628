"""What a request prefers (RFC 7240)."""

import pytest
from starlette.datastructures import Headers

from api.edge.preferences import _QUOTED, prefers_async


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ([], False),
        ([""], False),
        (["respond-async"], True),
        (["Respond-Async"], True),
        (["wait=10, respond-async; x=1"], True),
        (["return=minimal", "respond-async"], True),
        (["respond-asynchronously, return=minimal"], False),
        (['note="wait, respond-async"'], False),
        (['note="a \\", b", respond-async'], True),
        (['respond-async=""'], True),
        (["respond-async=1"], False),
        (['respond-async="no"'], False),
        (['note="never closed, respond-async'], False),
    ],
)
def test_an_early_answer_is_preferred_where_a_header_has_the_word(
    given: list[str], wanted: bool
) -> None:
    headers = Headers(raw=[(b"prefer", one.encode()) for one in given])
    assert prefers_async(headers) is wanted


@pytest.mark.parametrize("piece", ['"\\', '\\"', '"', "\\", '"a', '" ,'])
def test_a_long_header_is_read_without_trying_again(piece: str) -> None:
    """Each attempt to find a quoted string succeeds, so that the next one begins behind it."""
    header = piece * (60_000 // len(piece))
    assert '"' not in "".join(_QUOTED.split(header))
    assert not prefers_async(Headers(raw=[(b"prefer", header.encode())]))
