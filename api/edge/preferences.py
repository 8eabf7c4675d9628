"""Preferences of requests (RFC 7240)."""

import re

from starlette.datastructures import Headers

RESPOND_ASYNC = "respond-async"
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"')


def prefers_async(headers: Headers) -> bool:
    """Whether the client prefers an answer before the work is done (RFC 7240, 4.1).

    Other preferences, and parameters of this one, have no effect.
    """
    given = _QUOTED.sub("", ",".join(headers.getlist("prefer")))
    return any(one.partition(";")[0].strip().lower() == RESPOND_ASYNC for one in given.split(","))
