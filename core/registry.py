"""Open sets of kinds: a class registers itself with a decorator."""

import importlib
import pkgutil
from collections.abc import Callable, Iterator, Mapping
from typing import Generic, TypeVar

from core.errors import UnknownKind

T = TypeVar("T")
C = TypeVar("C")


class Registry(Mapping[str, type[T]], Generic[T]):
    """The classes of one open set, by kind; a released kind is never renamed."""

    def __init__(self, noun: str) -> None:
        self._noun = noun  # for messages: "layer", "morphism", ...
        self._classes: dict[str, type[T]] = {}
        self._kinds: dict[type, str] = {}

    def register(self, kind: str) -> Callable[[type[C]], type[C]]:
        """A class decorator that registers the class under `kind`; ValueError if it is taken."""

        def add(cls: type[C]) -> type[C]:
            if kind in self._classes:
                raise ValueError(f"{self._noun} kind {kind!r} is registered twice")
            self._classes[kind] = cls  # type: ignore[assignment]
            self._kinds[cls] = kind
            return cls

        return add

    def kind_of(self, value: object) -> str:
        """The kind under which the value's class is registered; KeyError if it is not."""
        return self._kinds[type(value)]

    def __getitem__(self, kind: str) -> type[T]:
        try:
            return self._classes[kind]
        except KeyError:
            known = ", ".join(sorted(self._classes))
            raise UnknownKind(f"unknown {self._noun} {kind!r}; known are: {known}") from None

    def __contains__(self, kind: object) -> bool:
        return kind in self._classes

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._classes))

    def __len__(self) -> int:
        return len(self._classes)


def import_modules(package: str, path: list[str]) -> None:
    """Import every module of a package, so that its classes are registered."""
    for module in pkgutil.iter_modules(path):
        importlib.import_module(f"{package}.{module.name}")
