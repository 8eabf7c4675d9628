"""A clock for the tests of code that takes one."""


class Clock:
    """A clock that only tests move."""

    def __init__(self, now: float = 0.0) -> None:
        self.now = now  # seconds

    def __call__(self) -> float:
        return self.now
