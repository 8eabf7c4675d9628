"""What a command does while it prepares data is shown, on a terminal and in a log."""

import io
import threading

from rich.console import Console

from netmorph.steps import shown


class Noticed(io.StringIO):
    """A log that says when something is written to it."""

    def __init__(self) -> None:
        super().__init__()
        self.written = threading.Event()

    def write(self, text: str) -> int:
        size = super().write(text)
        self.written.set()
        return size


def test_a_log_gets_the_present_step_now_and_then() -> None:
    file = Noticed()
    with shown(Console(file=file), pause=0.001) as step:
        step.say("packed 300 of 20,000 files")
        assert file.written.wait(30)
    assert file.getvalue().startswith("packed 300 of 20,000 files, ")


def test_quick_steps_leave_no_line_in_a_log() -> None:
    file = io.StringIO()
    with shown(Console(file=file)) as step:
        step.say("packed 1 of 1 files")
    assert file.getvalue() == ""


def test_a_terminal_has_one_line_that_is_removed_at_the_end() -> None:
    file = io.StringIO()
    with shown(Console(file=file, force_terminal=True, width=80)) as step:
        step.say("packed 1 of 2 files")
        step.say("packed 2 of 2 files")
    assert "packed 2 of 2 files" in file.getvalue()
    assert file.getvalue().endswith("\x1b[1A\x1b[2K")


def test_a_quiet_console_shows_nothing() -> None:
    file = Noticed()
    with shown(Console(file=file, quiet=True), pause=0.001) as step:
        step.say("packed 1 of 2 files")
        assert not file.written.wait(0.05)
