"""A clock for the tests of code that takes one."""

from collections.abc import Callable


class Clock:
    """A clock that only tests move."""

    def __init__(self, now: float = 0.0) -> None:
        self.now = now  # seconds

    def __call__(self) -> float:
        return self.now

    def each(self, seconds: float) -> Callable[..., None]:
        """A function of any arguments that takes this long."""

        def wait(*_: object) -> None:
            self.now += seconds

        return wait
