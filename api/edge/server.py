"""The HTTP server: uvicorn with limits for the head of each request.

uvicorn itself closes a connection that stays silent after a response, but waits without end for a
request that never comes or never ends its headers, however many: such connections would fill the
process.
"""

import asyncio
import socket
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from api.edge.changes import Changes
from api.settings import Settings

HEAD_SECONDS = 15.0  # from the first byte of a request to the end of its headers
HEAD_BYTES = 2**16


def server_options(settings: Settings) -> dict[str, Any]:
    """The arguments of uvicorn's configuration that decide which requests reach the app."""
    return {
        "http": HttpProtocol,
        "proxy_headers": bool(settings.forwarded_allow_ips),
        "forwarded_allow_ips": settings.forwarded_allow_ips,
        "access_log": False,
        "server_header": False,
    }


class Server(uvicorn.Server):
    """A server that ends waiting requests when it shuts down, instead of waiting for them.

    The application learns of a shutdown only after the last request has ended (`lifespan`).
    """

    def __init__(self, config: uvicorn.Config, changes: Changes) -> None:
        super().__init__(config)
        self._changes = changes

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Answer waiting requests, then shut down."""
        self._changes.close()
        await super().shutdown(sockets)


class HttpProtocol(HttpToolsProtocol):
    """uvicorn's protocol; it closes a connection whose next request is not there in time."""

    head_seconds = HEAD_SECONDS
    _deadline: asyncio.TimerHandle | None = None
    _head_bytes: int | None = None  # of the head that is being received; None outside one

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for the first request."""
        super().connection_made(transport)
        self._set_deadline()

    def data_received(self, data: bytes) -> None:
        """Wait for the end of the headers, or of a body that nobody reads any more."""
        if self._deadline is None and self._is_waiting():
            self._set_deadline()
        super().data_received(data)
        if not self._is_waiting():
            self._clear_deadline()
        if self._head_bytes is not None:
            self._head_bytes += len(data)
            if self._head_bytes > HEAD_BYTES and not self.transport.is_closing():
                self.send_400_response(f"The headers are larger than {HEAD_BYTES} bytes.")

    def on_message_begin(self) -> None:
        """Count the bytes of a head from here on."""
        self._head_bytes = 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """The head has ended; what follows is limited by the application."""
        self._head_bytes = None
        super().on_headers_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing any more."""
        self._clear_deadline()
        super().connection_lost(exc)

    def _is_waiting(self) -> bool:
        """Whether no request is being answered: none has come, or the last is answered already."""
        return self.cycle is None or self.cycle.response_complete

    def _set_deadline(self) -> None:
        self._deadline = self.loop.call_later(self.head_seconds, self._close)

    def _clear_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _close(self) -> None:
        self._deadline = None
        self.transport.close()
