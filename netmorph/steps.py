"""Says what a command does while it prepares data: a line on a terminal, some lines in a log."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.live import Live
from rich.text import Text

from netmorph.formatting import clock

_PAUSE = 10.0  # seconds between two lines of a log


class Steps:
    """The present step in words, and how long all of them have taken."""

    def __init__(self) -> None:
        self._text, self._began = "", time.monotonic()

    def say(self, text: str) -> None:
        """Replace the present step, such as "packed 300 of 20,000 files"."""
        self._text = text

    @property
    def line(self) -> str:
        """The step and the time since the first one; empty before there is a step."""
        return f"{self._text}, {clock(time.monotonic() - self._began)}" if self._text else ""

    def __rich__(self) -> Text:
        return Text(self.line, style="dim", overflow="ellipsis", no_wrap=True)


@contextmanager
def shown(out: Console, pause: float = _PAUSE) -> Iterator[Steps]:
    """Show the steps on a console: one line that is removed at the end, or a line each `pause`.

    `pause` is in seconds and for consoles that are no terminals: quick steps leave no line there.
    """
    steps, ended = Steps(), threading.Event()
    if out.is_terminal:
        with Live(steps, console=out, refresh_per_second=4, transient=True):
            yield steps
        return

    def log() -> None:
        while not ended.wait(pause):
            if steps.line:
                out.print(steps.line, soft_wrap=True)

    thread = threading.Thread(target=log, daemon=True)
    thread.start()
    try:
        yield steps
    finally:
        ended.set()
        thread.join()
