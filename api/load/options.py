"""How much load is measured."""

from dataclasses import dataclass

CALLS = 100  # of each kind, to measure CPU time


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """How many simulated workers offer how many results."""

    workers: int = 1000
    searches: int = 100
    seconds: float = 30.0
    offered: float = 200.0  # results per second, all workers together
    processes: int = 1  # of the API

    @property
    def trials(self) -> int:
        """Waiting trials of each search, more than can be trained."""
        return 10 + int(2 * self.offered * self.seconds + 2 * CALLS) // max(1, self.searches)


QUICK = Load(workers=50, searches=10, seconds=4.0, offered=40.0)
