"""What a request prefers (RFC 7240)."""

import pytest
from starlette.datastructures import Headers

from api.edge.preferences import prefers_async


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
    ],
)
def test_an_early_answer_is_preferred_where_a_header_has_the_word(
    given: list[str], wanted: bool
) -> None:
    headers = Headers(raw=[(b"prefer", one.encode()) for one in given])
    assert prefers_async(headers) is wanted
