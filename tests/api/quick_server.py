"""A server for one test, which ends as soon as it is asked to."""

import asyncio
import contextlib
import socket
import threading

import uvicorn
from fastapi import FastAPI

from api.edge.server import server_options


class QuickServer(uvicorn.Server):
    """uvicorn's server without its pauses: it looks ten times a second whether it should end.

    Its end takes another tenth of a second, which adds up over a thousand tests.
    """

    def __init__(self, app: FastAPI) -> None:
        options = server_options(app.state.settings)
        super().__init__(uvicorn.Config(app, lifespan="off", log_config=None, **options))
        self._app = app
        self._runs = threading.Event()
        self._ending = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None

    def end(self) -> None:
        """Let `run_on` return; called from another thread."""
        self._runs.wait()
        assert self._loop is not None
        self._loop.call_soon_threadsafe(self._ending.set)

    async def run_on(self, listening: socket.socket) -> None:
        """Serve until the end, with the listener beside it, as in the app's lifespan."""
        listener = asyncio.create_task(self._app.state.changes.listen())
        await self.serve([listening])
        listener.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await listener

    async def main_loop(self) -> None:
        self._loop = asyncio.get_running_loop()
        await self.on_tick(0)
        self._runs.set()
        await self._ending.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for server in self.servers:
            server.close()
        for one in sockets or []:
            one.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        await asyncio.sleep(0)  # in which idle connections are closed
        await self._wait_tasks_to_complete()
