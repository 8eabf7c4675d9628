"""The HTTP server: uvicorn with a deadline for the head of each request.

uvicorn itself closes a connection that stays silent after a response, but waits without end for a
request that never comes or never ends its headers: such connections would fill the process.
"""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from api.settings import Settings

HEAD_SECONDS = 15.0  # from the first byte of a request to the end of its headers


def server_options(settings: Settings) -> dict[str, Any]:
    """The arguments of uvicorn's configuration that decide which requests reach the app."""
    return {
        "http": HttpProtocol,
        "proxy_headers": bool(settings.forwarded_allow_ips),
        "forwarded_allow_ips": settings.forwarded_allow_ips,
        "access_log": False,
        "server_header": False,
    }


class HttpProtocol(HttpToolsProtocol):
    """uvicorn's protocol; it closes a connection whose next request is not there in time."""

    head_seconds = HEAD_SECONDS
    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for the first request."""
        super().connection_made(transport)
        self._set_deadline()

    def on_message_begin(self) -> None:
        """Wait for the end of the headers."""
        super().on_message_begin()
        if self._deadline is None:
            self._set_deadline()

    def on_headers_complete(self) -> None:
        """Wait for nothing any more."""
        self._clear_deadline()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Wait for the end of a body that nobody reads any more: its request is answered."""
        super().on_body(body)
        if self._deadline is None and self.cycle.response_complete:
            self._set_deadline()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing any more."""
        self._clear_deadline()
        super().connection_lost(exc)

    def _set_deadline(self) -> None:
        self._deadline = self.loop.call_later(self.head_seconds, self._close)

    def _clear_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _close(self) -> None:
        self._deadline = None
        self.transport.close()
