"""A trainer without torch: it plays what the order's history says, in the trainer's language.

It knows the messages as JSON lines only, so it is a peer of the supervisor and not a copy of ours.
"""

import itertools
import json
import os
import signal
import subprocess
import sys
import threading
import time

told_to_stop = threading.Event()
step = itertools.count(1)


def say(**event: object) -> None:
    sys.stdout.write(json.dumps(event) + "\n")
    sys.stdout.flush()


def end(status: str, **fields: object) -> None:
    say(event="ended", status=status, **{"epochs": 1, "seconds": 0.1} | fields)


def steps(seconds: float) -> bool:
    """Make steps for some seconds; False when told to stop meanwhile."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        say(event="progress", step=next(step))
        if told_to_stop.wait(0.02):
            return False
    return True


def play_train(seconds: float = 0.1, epochs: int = 2) -> None:
    for epoch in range(1, epochs + 1):
        if not steps(seconds / epochs):
            return end("stopped", value=0.5, reason="told to")
        say(event="epoch", epoch=epoch, validation_metric=epoch / 10, seconds=0.1 * epoch)
    end("completed", value=0.875, value_std=0.01, epochs=epochs, reason=f"pid {os.getpid()}")


def play_environment(names: list[str]) -> None:
    found = {name: os.environ.get(name) for name in names}
    end("completed", value=1.0, reason=json.dumps(found))


def play_hang() -> None:
    while True:  # alive, and repeating itself, but without progress
        say(event="progress", step=1)
        time.sleep(0.02)


def play_wilful() -> None:
    while True:  # makes progress, and obeys nobody
        steps(0.1)
        told_to_stop.clear()


def play_family() -> None:
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    print(f"child {child.pid}", file=sys.stderr, flush=True)
    play_wilful()


def play_die(how: str) -> None:
    say(event="progress", step=7)
    print("a word on stderr", file=sys.stderr, flush=True)
    if how == "exit":
        os._exit(3)
    os.kill(os.getpid(), getattr(signal, how))


def play_nonsense() -> None:
    print("this is no event", flush=True)
    print('{"event": "unheard of"}', flush=True)
    end("waiting")


def listen(orders: list[dict], arrived: threading.Condition) -> None:
    for line in sys.stdin:
        command = json.loads(line)
        if command["command"] == "stop":
            told_to_stop.set()
            continue
        with arrived:
            orders.append(command["order"])
            arrived.notify()
    os._exit(0)  # end of file: the worker is gone


def main() -> None:
    orders: list[dict] = []
    arrived = threading.Condition()
    threading.Thread(target=listen, args=(orders, arrived), daemon=True).start()
    say(event="ready", device="a stage")
    while True:
        with arrived:
            arrived.wait_for(lambda: orders)
            order = orders.pop(0)
        told_to_stop.clear()
        part, arguments = order["history"]["play"]
        globals()[f"play_{part}"](**arguments)


main()
