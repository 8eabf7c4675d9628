"""A call of one of torch's operators, as a program of torch.export has it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from netmorph.importing.operations import Operation

Sizes = tuple[int | None, ...]  # of a tensor; None: open, as the number of examples
_SHOWN = 8  # values of a list in a message
_ONLY_NAMED_SO = ("detach_",)  # changes no value


@dataclass(frozen=True, slots=True)
class Name:
    """A value that is computed or stored, in the arguments of a call."""

    text: str


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a program; its arguments have the names of the operator's schema."""

    name: str
    kind: str  # "aten.conv2d.default"
    module: str  # of the user's network, or empty
    classes: tuple[str, ...]  # of that module and of those around it, without their packages
    arguments: dict[str, Any]
    outputs: tuple[str, ...]  # "" for others than tensors

    @property
    def in_place(self) -> bool:
        """Whether it writes its result over its first argument."""
        name = self._base
        return name.endswith("_") and name not in _ONLY_NAMED_SO

    @property
    def operator(self) -> str:
        """Its kind without "aten", the overload and the mark of one that works in place."""
        return self._base.removesuffix("_") if self.in_place else self._base

    @property
    def _base(self) -> str:
        return self.kind.removeprefix("aten.").split(".")[0]

    @property
    def read(self) -> Iterator[str]:
        """The names of the tensors that it reads."""
        for value in self.arguments.values():
            for one in value if isinstance(value, list) else [value]:
                if isinstance(one, Name):
                    yield one.text

    def tensor(self, *names: str) -> str:
        """The name of the tensor that one of these arguments is; empty where it is left out."""
        for name in names:
            value = self.arguments.get(name)
            if isinstance(value, Name):
                return value.text
            if value is not None:
                raise ValueError(f"its argument {name!r} is {_shown(value)}; expected a tensor")
        return ""

    def integers(self, name: str, count: int, default: int | None = None) -> tuple[int, ...]:
        """An argument with one integer for each axis, or one for all."""
        value = self.arguments.get(name)
        if value is None or value == []:
            value = default
        values = value if isinstance(value, list) else [value]
        if len(values) not in (1, count) or any(type(one) is not int for one in values):
            raise ValueError(f"its argument {name!r} is {_shown(value)}; expected {count} integers")
        return tuple(values) * (count if len(values) == 1 else 1)

    def operation(self, kind: str, inputs: tuple[str, ...], **attributes: Any) -> Operation:
        """The operation that this call is."""
        return Operation(
            name=self.name,
            kind=kind,
            inputs=inputs,
            outputs=(*self.outputs[:1], *filter(None, self.outputs[1:])),
            attributes=attributes,
            written=self.kind.removesuffix(".default"),
            module=self.module,
            classes=self.classes,
        )


def _shown(value: Any) -> str:
    """A value for a message; of a list its kind alone, as it may be huge."""
    return "a list" if isinstance(value, list) and len(value) > _SHOWN else repr(value)[:80]
