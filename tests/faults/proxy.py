"""A proxy between a service and its server that can lose every packet, as a broken network does."""

import contextlib
import socket
import threading
from pathlib import Path


class Proxy:
    """Forwards TCP connections to a server's socket file, until it is told to drop everything.

    A dropped connection stays open and silent for good, as after a network that has forgotten it.
    """

    def __init__(self, server: Path) -> None:
        self._server = str(server)
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        self._ends: list[socket.socket] = []
        self._open = threading.Event()  # of the present epoch of the network
        self._open.set()
        threading.Thread(target=self._accept, daemon=True).start()

    def drop(self) -> None:
        """Lose all that is sent from now on, on old and on new connections."""
        self._open.clear()

    def heal(self) -> None:
        """Forward what new connections send; old ones stay silent."""
        self._open = threading.Event()
        self._open.set()

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
                server = socket.socket(socket.AF_UNIX)
                self._ends += [client, server]
                if self._open.is_set():
                    server.connect(self._server)
                    for ends in ((client, server), (server, client)):
                        threading.Thread(
                            target=_forward, args=(*ends, self._open), daemon=True
                        ).start()


def _forward(source: socket.socket, target: socket.socket, network: threading.Event) -> None:
    """Forward bytes, and the end of the connection, while the network works."""
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            if network.is_set():
                target.sendall(data)
        if network.is_set():
            target.shutdown(socket.SHUT_WR)
