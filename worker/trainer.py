"""The trainer process: reads orders on stdin, trains them, writes events to stdout.

`python -P -m worker.trainer`. It ends when its stdin does, in the midst of a training, too, and
when its parent dies. What libraries print goes to stderr.
"""

import ctypes
import os
import signal
import sys
import time
from pathlib import Path
from queue import SimpleQueue
from threading import Event as Flag
from threading import Lock, Thread
from typing import BinaryIO

import torch
from pydantic import ValidationError

from core.protocol.contracts import TrainOrder
from core.protocol.storage import Storage
from worker.compute import fastest
from worker.fitting import TrainingCallbacks, TrainingEnvironment, fit
from worker.messages import COMMANDS, EVENTS, Event, Progress, Ready, Train

_PROGRESS_SECONDS = 0.5
_PR_SET_PDEATHSIG = 1


class Wire:
    """Commands in, events out."""

    def __init__(self, commands: BinaryIO, events: BinaryIO) -> None:
        self.orders: SimpleQueue[TrainOrder] = SimpleQueue()
        self.stop = Flag()
        self._commands = commands
        self._events = events
        self._lock = Lock()
        Thread(target=self._read, name="commands", daemon=True).start()

    def send(self, event: Event) -> None:
        """Write one event line."""
        with self._lock:
            self._events.write(EVENTS.dump_json(event) + b"\n")
            self._events.flush()

    def _read(self) -> None:
        """Take commands until there are no more; then end the process, whatever it is doing."""
        for line in self._commands:
            try:
                command = COMMANDS.validate_json(line)
            except ValidationError as error:  # better dead than deaf
                print(f"not a command: {line[:200]!r}: {error}", file=sys.stderr, flush=True)
                os._exit(2)
            if isinstance(command, Train):
                self.stop.clear()
                self.orders.put(command.order)
            else:
                self.stop.set()
        os._exit(0)


def main() -> None:
    """Train orders until stdin ends."""
    _end_with_parent()
    commands = os.fdopen(os.dup(0), "rb")
    events = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # prints of libraries must not mix with events
    environment = _bench()
    wire = Wire(commands, events)
    wire.send(Ready(device=_device_name(environment.device)))
    while True:
        order = wire.orders.get()
        wire.send(fit(order, environment, _listener(wire)))


def _listener(wire: Wire) -> TrainingCallbacks:
    """Tells of steps now and then, of every epoch, and hears of stops."""
    told = 0.0

    def on_step(step: int) -> None:
        nonlocal told
        if time.monotonic() - told >= _PROGRESS_SECONDS:
            told = time.monotonic()
            wire.send(Progress(step=step))

    return TrainingCallbacks(should_stop=wire.stop.is_set, on_step=on_step, on_epoch=wire.send)


def _bench() -> TrainingEnvironment:
    threads = int(os.environ.get("NETMORPH_THREADS") or os.cpu_count() or 1)
    wished = os.environ.get("NETMORPH_DEVICE") or "auto"
    cuda = torch.cuda.is_available()
    if wished == "cuda" and not cuda:
        sys.exit("NETMORPH_DEVICE is cuda, but torch sees no CUDA device here")
    device = torch.device("cuda" if cuda and wished != "cpu" else "cpu")
    if device.type == "cuda":
        torch.backends.cudnn.benchmark = True
        torch.set_float32_matmul_precision("high")
    return TrainingEnvironment(
        storage=Storage(os.environ["NETMORPH_STORAGE_URL"]),
        cache=Path(os.environ["NETMORPH_CACHE_DIR"]),
        device=device,
        threads=threads,
        computes=fastest(device, threads),
    )


def _device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"


def _end_with_parent() -> None:
    """Ask Linux to end this process when its parent dies, should the pipe not tell."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


if __name__ == "__main__":
    main()
