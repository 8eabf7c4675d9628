"""Preferences of requests (RFC 7240)."""

import re

from starlette.datastructures import Headers

RESPOND_ASYNC = "respond-async"
#: A quoted string, closed or not: it matches at every quote, so that nothing is tried twice.
_QUOTED = re.compile(r'"(?:[^"\\]|\\.?)*"?')


def prefers_async(headers: Headers) -> bool:
    """Whether the client prefers an answer before the work is done (RFC 7240, 4.1).

    Other preferences, and parameters of this one, have no effect. An empty value is none.
    """
    given = _QUOTED.sub(_without_text, ",".join(headers.getlist("prefer")))
    return any(_name(one.partition(";")[0]) == RESPOND_ASYNC for one in given.split(","))


def _without_text(quoted: re.Match[str]) -> str:
    return "" if quoted[0] == '""' else "?"


def _name(preference: str) -> str:
    """The name of a preference without a value; with one, something else."""
    name, _, value = preference.partition("=")
    return "" if value.strip() else name.strip().lower()
