"""The operations of a network as a file gives them: one form for all kinds of files.

Kinds and attributes are those of the ONNX standard; readers of other files translate to them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from netmorph.errors import UnreadableNetwork
from netmorph.importing.graph import Array, Shape

MOST_BYTES = 1 << 30  # of a file
MOST_NODES = 10_000
FLOATS = (1, 11)  # the numbers of float32 and float64 in the ONNX standard


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation of the file."""

    name: str
    kind: str
    inputs: tuple[str, ...]  # "" where an optional one is left out
    outputs: tuple[str, ...]
    attributes: dict[str, Any]
    written: str = ""  # its kind as the file has it; empty: the same
    module: str = ""  # of the user's network that it belongs to, where the file says so
    classes: tuple[str, ...] = ()  # of that module and of those around it

    @property
    def written_kind(self) -> str:
        return self.written or self.kind

    def __str__(self) -> str:
        module = f" of {self.module}" if self.module else ""
        return f"node {self.name!r} ({self.written_kind}{module})"


@dataclass(frozen=True, slots=True)
class OperationGraph:
    """The operations of a file in order, its constants, and its one input and output."""

    nodes: tuple[Operation, ...]
    constants: dict[str, Array]
    input: str
    input_shape: Shape  # of one example
    output: str


def only(names: Sequence[str], kind: str, meaning: str, path: Path) -> str:
    """The one name of an input or output; raises UnreadableNetwork where there are others."""
    if len(names) != 1:
        listed = ", ".join(map(repr, names[:5])) + (", …" if len(names) > 5 else "")
        raise UnreadableNetwork(
            f"{path} has {len(names)} {kind}s, {listed}; expected one, {meaning}"
        )
    return names[0]


def example_shape(name: str, sizes: Sequence[int | str], path: Path) -> Shape:
    """The shape of one example of an input whose open sizes are texts.

    Raises UnreadableNetwork where more than the number of examples is open.
    """
    shape = tuple(size for size in sizes[1:] if isinstance(size, int) and size > 0)
    if len(sizes) not in (2, 3, 4) or len(shape) != len(sizes) - 1:
        raise UnreadableNetwork(
            f"the input {name!r} of {path} has shape {list(sizes)}; expected (batch, channels, "
            "height, width), (batch, channels, length) or (batch, features), where only the batch "
            "may be open: export it with an example of the data's shape"
        )
    return shape


def check_count(count: int, path: Path) -> None:
    if count > MOST_NODES:
        raise UnreadableNetwork(f"{path} has {count} operations; expected at most {MOST_NODES}")


def check_size(path: Path) -> int:
    """The bytes of the file; raises UnreadableNetwork where it is too large or cannot be read."""
    try:
        size = path.stat().st_size
    except OSError as error:
        raise UnreadableNetwork(f"{path} cannot be read: {error.strerror}") from None
    if size > MOST_BYTES:
        raise UnreadableNetwork(
            f"{path} has {size} bytes; expected at most {MOST_BYTES} for a network"
        )
    return size
