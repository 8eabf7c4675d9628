"""A translation in progress: the operations and the constants so far."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from netmorph.importing.graph import Array
from netmorph.importing.operations import Operation
from netmorph.importing.torch_export.call import Call, Name, Sizes


@dataclass(slots=True)
class Translation:
    """The operations so far."""

    shapes: Mapping[str, Sizes]  # of all tensors, with the number of examples
    constants: dict[str, Array]
    operations: list[Operation] = field(default_factory=list)
    #: Signals that a decomposed pool lifts to images of height 1: the name of the signal.
    lines: dict[str, str] = field(default_factory=dict)

    def add(self, call: Call, kind: str, *inputs: str, **attributes: Any) -> None:
        self.operations.append(call.operation(kind, inputs, **attributes))

    def number(self, call: Call, argument: str) -> str:
        """The name of an argument that is a tensor or a number."""
        value = call.arguments.get(argument)
        if isinstance(value, Name):
            return value.text
        if type(value) not in (int, float):
            raise ValueError(f"its argument {argument!r} is {value!r}; expected a number")
        return self.constant(call, argument, np.asarray(value, float))

    def constant(self, call: Call, argument: str, value: Array) -> str:
        name = f"{call.name}.{argument}"
        self.constants[name] = value
        return name

    def axes(self, name: str) -> tuple[int, ...]:
        """The sizes of the spatial axes of a tensor."""
        return tuple(size for size in self.shapes[name][2:] if size is not None)
