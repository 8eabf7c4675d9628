"""A fault planted in the code, and the test files that must notice it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Mutant:
    """A fault planted in the code, and the test files that must notice it."""

    file: str
    old: str
    new: str
    tests: tuple[str, ...]
