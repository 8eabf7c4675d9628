"""A trainer without torch: it does what the order's history says.

It writes the messages as JSON lines and shares no code with the worker.
"""

import itertools
import json
import os
import signal
import subprocess
import sys
import threading
import time

stop_requested = threading.Event()
interrupted = threading.Event()
step = itertools.count(1)


def send(**event: object) -> None:
    sys.stdout.write(json.dumps(event) + "\n")
    sys.stdout.flush()


def send_end(status: str, **fields: object) -> None:
    send(event="ended", status=status, **{"epochs": 1, "seconds": 0.1} | fields)


def send_checkpoint(epoch: int) -> None:
    digest = "c" * 64
    blob = {"key": f"checkpoints/{digest}.safetensors", "sha256": digest, "bytes": 5}
    send(event="checkpoint", epoch=epoch, seconds=0.1 * epoch, blob=blob)


def send_interrupted(epoch: int) -> None:
    if epoch:
        send_checkpoint(epoch)
    send(event="interrupted")


def steps(seconds: float) -> bool:
    """Make steps for some seconds; False when a stop or an interruption was requested."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        send(event="progress", step=next(step))
        if stop_requested.wait(0.02) or interrupted.is_set():
            return False
    return True


def play_train(seconds: float = 0.1, epochs: int = 2) -> None:
    for epoch in range(1, epochs + 1):
        if not steps(seconds / epochs):
            if interrupted.is_set():
                return send_interrupted(epoch - 1)
            return send_end("stopped", value=0.5, reason="by request")
        send(event="epoch", epoch=epoch, validation_metric=epoch / 10, seconds=0.1 * epoch)
    send_end("completed", value=0.875, value_std=0.01, epochs=epochs, reason=f"pid {os.getpid()}")


def play_environment(names: list[str]) -> None:
    found = {name: os.environ.get(name) for name in names}
    send_end("completed", value=1.0, reason=json.dumps(found))


def play_hang() -> None:
    for epoch in itertools.count(1):  # it is alive and sends events, but without progress
        for _ in range(50):
            send(event="progress", step=1)
        send_checkpoint(epoch)
        print(f"stored {epoch}", file=sys.stderr, flush=True)
        time.sleep(0.1)  # the pace of its events


def play_late_checkpoint() -> None:
    steps(30)  # until it is stopped
    send_checkpoint(1)
    send_end("stopped")


def play_disobedient() -> None:
    while True:  # it makes progress and ignores stops
        steps(0.1)
        stop_requested.clear()
        interrupted.clear()


def play_family() -> None:
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    print(f"child {child.pid}", file=sys.stderr, flush=True)
    play_disobedient()


def play_die(how: str) -> None:
    send(event="progress", step=7)
    print("an error on stderr", file=sys.stderr, flush=True)
    if how == "exit":
        os._exit(3)
    os.kill(os.getpid(), getattr(signal, how))


def play_invalid_events() -> None:
    print("this is no event", flush=True)
    print('{"event": "unknown"}', flush=True)
    send_end("waiting")


def listen(orders: list[dict], arrived: threading.Condition) -> None:
    for line in sys.stdin:
        command = json.loads(line)
        if command["command"] == "stop":
            stop_requested.set()
            continue
        if command["command"] == "interrupt":
            interrupted.set()
            continue
        with arrived:
            orders.append(command["order"])
            arrived.notify()
    os._exit(0)  # end of file: the worker has ended


def main() -> None:
    orders: list[dict] = []
    arrived = threading.Condition()
    threading.Thread(target=listen, args=(orders, arrived), daemon=True).start()
    send(event="ready", device="test device", memory=2**33)
    while True:
        with arrived:
            arrived.wait_for(lambda: orders)
            order = orders.pop(0)
        stop_requested.clear()
        interrupted.clear()
        part, arguments = order["history"]["play"]
        globals()[f"play_{part}"](**arguments)


main()
