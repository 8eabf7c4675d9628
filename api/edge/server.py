"""The HTTP server: uvicorn with a deadline for the head of each request.

uvicorn itself closes a connection that stays silent after a response, but waits without end for a
request that never comes or never ends its headers: such connections would fill the process.
"""

import asyncio
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

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


class HttpProtocol(H11Protocol):
    """uvicorn's protocol; it closes a connection whose next request is not there in time."""

    head_seconds = HEAD_SECONDS
    _deadline: asyncio.TimerHandle | None = None

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

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing any more."""
        self._clear_deadline()
        super().connection_lost(exc)

    def _is_waiting(self) -> bool:
        """Whether no request is being answered: none has begun, or the last is answered already."""
        is_answered = self.conn.our_state is h11.DONE and self.conn.their_state is h11.SEND_BODY
        return is_answered or self.conn.their_state is h11.IDLE

    def _set_deadline(self) -> None:
        self._deadline = self.loop.call_later(self.head_seconds, self._close)

    def _clear_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _close(self) -> None:
        self._deadline = None
        self.transport.close()
