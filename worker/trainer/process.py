"""The trainer process: it reads orders and writes events.

It exits when its stdin ends, even during a training, and when its parent dies. The prints of
libraries go to stderr.
"""

import ctypes
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from queue import SimpleQueue
from threading import Event as Flag
from threading import Lock, Thread
from typing import BinaryIO

import torch
from pydantic import ValidationError

from core.protocol.contracts.checkpoints import Checkpoint
from core.protocol.contracts.reports import EpochMetrics
from core.protocol.contracts.train_orders import TrainOrder
from core.protocol.storage import Storage
from worker.messages import (
    COMMANDS,
    EVENTS,
    CheckpointStored,
    EpochEnded,
    Event,
    Interrupt,
    Interrupted,
    Progress,
    Reading,
    Ready,
    Train,
)
from worker.trainer.data.memory import memory_of
from worker.trainer.environment import TrainingCallbacks, TrainingEnvironment
from worker.trainer.networks.compute import fastest, fp32
from worker.trainer.run_order import run_order
from worker.trainer.training.loop import TrainingInterrupted

_PROGRESS_SECONDS = 0.5
_PR_SET_PDEATHSIG = 1


class SupervisorConnection:
    """The pipes to the supervisor: commands come in, events go out."""

    def __init__(self, commands: BinaryIO, events: BinaryIO) -> None:
        self.orders: SimpleQueue[TrainOrder] = SimpleQueue()
        self.stop = Flag()
        self.interrupt = Flag()
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
        """Read commands until they end; then exit the process, whatever it is doing."""
        for line in self._commands:
            try:
                command = COMMANDS.validate_json(line)
            except ValidationError as error:  # a stop may be lost, so do not go on
                print(f"not a command: {line[:200]!r}: {error}", file=sys.stderr, flush=True)
                os._exit(2)
            if isinstance(command, Train):
                self.stop.clear()
                self.interrupt.clear()
                self.orders.put(command.order)
            elif isinstance(command, Interrupt):
                self.interrupt.set()
            else:
                self.stop.set()
        os._exit(0)


def main() -> None:
    """Train orders until stdin ends."""
    _end_with_parent()
    commands = os.fdopen(os.dup(0), "rb")
    events = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # so that prints of libraries do not mix with events
    environment = _environment()
    connection = SupervisorConnection(commands, events)
    device = environment.device
    connection.send(Ready(device=_device_name(device), memory=memory_of(device)))
    while True:
        order = connection.orders.get()
        try:
            connection.send(run_order(order, environment, callbacks(connection)))
        except TrainingInterrupted:
            connection.send(Interrupted())


def callbacks(
    connection: SupervisorConnection, clock: Callable[[], float] = time.monotonic
) -> TrainingCallbacks:
    """Callbacks that send progress now and then and every epoch, and that obey stops."""
    sent_at = read_at = float("-inf")

    def on_read() -> None:
        nonlocal read_at
        if clock() - read_at >= _PROGRESS_SECONDS:
            read_at = clock()
            connection.send(Reading())

    def on_step(step: int) -> None:
        nonlocal sent_at
        if clock() - sent_at >= _PROGRESS_SECONDS:
            sent_at = clock()
            connection.send(Progress(step=step))

    def on_epoch(metrics: EpochMetrics) -> None:
        connection.send(EpochEnded(**metrics.model_dump()))

    def on_checkpoint(checkpoint: Checkpoint) -> None:
        connection.send(CheckpointStored(**checkpoint.model_dump()))

    return TrainingCallbacks(
        should_stop=connection.stop.is_set,
        on_step=on_step,
        on_epoch=on_epoch,
        on_checkpoint=on_checkpoint,
        on_read=on_read,
        should_hand_back=connection.interrupt.is_set,
    )


def _environment() -> TrainingEnvironment:
    """The environment that the supervisor's settings describe; exits where there is no such GPU."""
    threads = int(os.environ.get("NETMORPH_THREADS") or os.cpu_count() or 1)
    requested = os.environ.get("NETMORPH_DEVICE") or "auto"
    precision = os.environ.get("NETMORPH_PRECISION") or "auto"
    has_cuda = torch.cuda.is_available()
    if requested == "cuda" and not has_cuda:
        sys.exit("NETMORPH_DEVICE is cuda, but torch sees no CUDA device here")
    device = torch.device("cuda" if has_cuda and requested != "cpu" else "cpu")
    if device.type == "cuda":
        torch.backends.cudnn.benchmark = True
        torch.set_float32_matmul_precision("high")
    return TrainingEnvironment(
        storage=Storage(os.environ["NETMORPH_STORAGE_URL"]),
        cache=Path(os.environ["NETMORPH_CACHE_DIR"]),
        device=device,
        threads=threads,
        computes=fp32(device, threads) if precision == "fp32" else fastest(device, threads),
        adapts_threads=precision != "fp32",
    )


def _device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"


def _end_with_parent() -> None:
    """Ask Linux to kill this process when its parent dies, in case the pipe stays open.

    A SIGTERM for all processes of a service is for the parent, which ends this process in order.
    """
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
