"""Compression of responses for those who accept it: pages, figures and JSON, not what workers read.

Pages repeat what a form sent beside the token of their forms; a compressed length could tell the
token to an attacker who can have the visitor's browser send such forms. It cannot: the cookie of a
session is sent along from our own pages alone (`SameSite=Strict`).
"""

from starlette.middleware.gzip import GZipMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

_LEAST = 1000  # bytes
_LEVEL = 5  # of 9: a twentieth larger than the best, in a third of the time


class Compression:
    """ASGI middleware that compresses responses; those to workers pass as they are."""

    def __init__(self, app: ASGIApp) -> None:
        self._plain = app
        self._compressed = GZipMiddleware(app, minimum_size=_LEAST, compresslevel=_LEVEL)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, compressed or not."""
        is_worker = scope["type"] == "http" and scope["path"].startswith("/v1/worker/")
        await (self._plain if is_worker else self._compressed)(scope, receive, send)
