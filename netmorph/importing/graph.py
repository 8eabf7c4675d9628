"""An architecture under construction, as the JSON that the service takes, with its weights."""

import json
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import numpy as safetensors

from netmorph.importing.preparation import as_batch_norm

Shape = tuple[int, ...]
Array = NDArray[Any]


#: Layers whose outputs are never negative.
_NEVER_NEGATIVE = frozenset({"relu", "relu6", "sigmoid", "hard_sigmoid"})
#: Layers whose outputs are never negative if their inputs are not.
_KEEPING_SIGNS = frozenset(
    {f"{kind}{axes}d" for kind in ("max_pool", "avg_pool", "global_avg_pool") for axes in (1, 2)}
    | {"add", "concat", "scale"}
)


@dataclass(slots=True)
class Graph:
    """The nodes so far; node 0 is the input, node 1 prepares the inputs."""

    input_shape: Shape
    nodes: list[dict[str, Any]] = field(default_factory=list)
    weights: dict[int, dict[str, Array]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.add("input", (), shape=list(self.input_shape))
        self.add("batch_norm", (0,))

    def add(
        self,
        kind: str,
        sources: tuple[int, ...],
        weights: dict[str, Array] | None = None,
        **fields: Any,
    ) -> int:
        """Add a layer that reads the nodes `sources`; return its id."""
        node_id = len(self.nodes)
        self.nodes.append({"id": node_id, "kind": kind, **fields, "inputs": list(sources)})
        if weights is not None:
            self.weights[node_id] = {k: v.astype(np.float32) for k, v in weights.items()}
        return node_id

    def is_nonnegative(self, node_id: int) -> bool:
        """Whether the values of a node are never negative, whatever the weights."""
        open_ids, known = [node_id], {node_id}
        while open_ids:
            node = self.nodes[open_ids.pop()]
            if node["kind"] not in _NEVER_NEGATIVE | _KEEPING_SIGNS:
                return False
            if node["kind"] in _KEEPING_SIGNS:
                open_ids += {*node["inputs"]} - known
                known.update(node["inputs"])
        return True

    def with_bias(self, node_id: int, bias: Array) -> None:
        """Give a layer without bias this one."""
        self.nodes[node_id].pop("bias")
        self.weights[node_id]["bias"] = bias.astype(np.float32)

    def finish(self, logits: int, factor: Array, shift: Array) -> "Finished":
        """The architecture that ends with the node `logits`, without nodes that nothing reads."""
        self.weights[1] = dict(as_batch_norm(factor, shift))
        last = self.nodes[logits]
        if last["kind"] == "dense" and last.get("bias") is False:  # numbers need one to be scaled
            self.with_bias(logits, np.zeros(last["units"]))
        output = self.add("output", (logits,))
        needed = {output, 0, 1}
        for node in reversed(self.nodes):
            if node["id"] in needed:
                needed.update(node["inputs"])
        nodes = [node for node in self.nodes if node["id"] in needed]
        kept = {key: value for key, value in self.weights.items() if key in needed}
        return Finished({"version": 1, "nodes": nodes}, kept)


@dataclass(frozen=True, slots=True)
class Finished:
    """A finished architecture as JSON, and its weights by node id."""

    architecture: dict[str, Any]
    weights: dict[int, dict[str, Array]]

    @property
    def parameters(self) -> int:
        """The number of its parameters that are trained."""
        return sum(
            array.size
            for arrays in self.weights.values()
            for name, array in arrays.items()
            if not name.startswith("running")
        )

    def tensors(self) -> bytes:
        """The weights as the bytes of a safetensors file."""
        return safetensors.save(
            {
                f"{node_id}.{name}": np.ascontiguousarray(array)
                for node_id, arrays in self.weights.items()
                for name, array in arrays.items()
            }
        )

    def text(self) -> str:
        """The architecture as JSON text."""
        return json.dumps(self.architecture)
