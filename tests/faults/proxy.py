"""A proxy between two programs that can lose packets, as a broken network does."""

import contextlib
import socket
import threading
from pathlib import Path
from typing import Literal

Direction = Literal["requests", "answers"]


class Proxy:
    """Forwards TCP connections to a server's socket file or port, until it drops what is sent.

    A dropped connection stays open and silent for good, as after a network that has forgotten it.
    """

    def __init__(self, server: Path | int) -> None:
        self.server = server  # of new connections
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        self._ends: list[socket.socket] = []
        self.heal()
        threading.Thread(target=self._accept, daemon=True).start()

    def drop(self, *directions: Direction) -> None:
        """Lose all that is sent from now on, on old and on new connections; one way or both."""
        for direction in directions or ("requests", "answers"):
            self._open[direction].clear()

    def heal(self) -> None:
        """Forward what new connections send; old ones stay silent."""
        self._open: dict[Direction, threading.Event] = {
            "requests": threading.Event(),
            "answers": threading.Event(),
        }
        for event in self._open.values():
            event.set()

    def close(self) -> None:
        """Close every connection."""
        for end in (self._listening, *self._ends):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listening.accept()
                self._ends.append(client)
                network = self._open  # of the present epoch
                if any(event.is_set() for event in network.values()):
                    try:
                        self._connect(client, network)
                    except ConnectionError:  # no server
                        client.close()

    def _connect(self, client: socket.socket, network: dict[Direction, threading.Event]) -> None:
        if isinstance(self.server, Path):
            server = socket.socket(socket.AF_UNIX)
            server.connect(str(self.server))
        else:
            server = socket.create_connection(("127.0.0.1", self.server))
        self._ends.append(server)
        for ends, direction in (
            ((client, server), "requests"),
            ((server, client), "answers"),
        ):
            threading.Thread(target=_forward, args=(*ends, network[direction]), daemon=True).start()


def _forward(source: socket.socket, target: socket.socket, network: threading.Event) -> None:
    """Forward bytes, and the end of the connection, while the network works."""
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            if network.is_set():
                target.sendall(data)
        if network.is_set():
            target.shutdown(socket.SHUT_WR)
