"""A node of an architecture: one layer and the nodes that it reads."""

from dataclasses import dataclass
from typing import Any

from core.errors import InvalidArchitecture
from core.layers import AbstractLayer, Scale, layer_from_json, layer_to_json


@dataclass(frozen=True, slots=True)
class Node:
    """One layer of a graph and the ids of the nodes that it reads."""

    id: int
    layer: AbstractLayer
    inputs: tuple[int, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The node as JSON: its id, the kind and the fields of its layer, the ids of its inputs."""
        return {"id": self.id, **layer_to_json(self.layer), "inputs": list(self.inputs)}

    @classmethod
    def from_json(cls, entry: Any) -> "Node":
        """The node of `to_json`; raises InvalidArchitecture for anything else."""
        if not isinstance(entry, dict) or not {"id", "kind", "inputs"} <= set(entry):
            raise InvalidArchitecture(f"a node has at least id, kind and inputs; found {entry!r}")
        fields = {name: value for name, value in entry.items() if name not in ("id", "inputs")}
        numbers = [entry["id"], *entry["inputs"]] if isinstance(entry["inputs"], list) else [None]
        if not all(type(number) is int and number >= 0 for number in numbers):
            raise InvalidArchitecture(
                f"a node has id {entry['id']!r} and inputs {entry['inputs']!r}; "
                "expected a non-negative integer and a list of them"
            )
        return cls(entry["id"], layer_from_json(fields), tuple(entry["inputs"]))


def spatial_inputs(node: Node) -> tuple[int, ...]:
    """The inputs that determine the node's spatial axes: all but the factors of a `Scale`."""
    return node.inputs[:1] if isinstance(node.layer, Scale) else node.inputs
