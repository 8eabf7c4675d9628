"""Signals that ask a process to end, treated as Ctrl-C: so what is open is closed first."""

import contextlib
import signal
from collections.abc import Iterator
from types import FrameType


@contextlib.contextmanager
def interrupted_by(*numbers: signal.Signals) -> Iterator[None]:
    """Raise KeyboardInterrupt for each of these signals.

    Only in the main thread. SIGHUP stays ignored where it is, as with nohup.
    """

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    taken = [n for n in numbers if n != signal.SIGHUP or not _ignores_hangup()]
    before = {number: signal.signal(number, interrupt) for number in taken}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _ignores_hangup() -> bool:
    """Whether the process outlives its terminal."""
    return signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
