"""An architecture: an immutable graph of typed layers, without weights."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import InitVar, dataclass, field
from functools import cached_property, lru_cache
from itertools import islice
from typing import Any, TypeVar

from core.errors import InvalidArchitecture
from core.graph import fingerprint as fingerprints
from core.graph.cost import LayerCost, layer_cost
from core.graph.fingerprint import Colours, Mark, Sources, mark
from core.graph.node import Node, spatial_inputs
from core.graph.segments import Segment, infer_segments
from core.graph.validation import check_all_read, check_edges, check_embeddings, check_ends
from core.layers import AbstractLayer, Embedding, Scale, Shape

VERSION = 1  # of the JSON

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class LayerFacts:
    """What is known of a layer for given input shapes."""

    layer: AbstractLayer
    shape: Shape
    cost: LayerCost
    mark: Mark  # the layer as its fingerprint sees it


@lru_cache(maxsize=65_536)
def _facts(layer: AbstractLayer, inputs: tuple[Shape, ...]) -> LayerFacts:
    """The facts of a layer; raises InvalidArchitecture if the inputs do not fit."""
    if len(inputs) != layer.inputs and (layer.inputs is not None or len(inputs) < 2):
        expected = "two or more" if layer.inputs is None else layer.inputs
        raise InvalidArchitecture(f"has {len(inputs)} inputs; expected {expected}")
    return LayerFacts(layer, layer.output_shape(inputs), layer_cost(layer, inputs), mark(layer))


@dataclass(frozen=True, eq=False)
class Architecture:
    """A graph from one `Input` to one `Output` in topological order; every other node is read.

    Two architectures are equal if they are the same graph, whatever their node ids. Weights belong
    to node ids, which morphisms and JSON keep.

    Raises:
        InvalidArchitecture: if the ends, the edges, or the shapes of the graph are wrong.
    """

    nodes: tuple[Node, ...]
    relative: InitVar["Architecture | None"] = None  # shares most nodes; only saves time
    _facts_by_id: Mapping[int, LayerFacts] = field(init=False, repr=False)  # in order
    _prefix: tuple[Sources, Colours] = field(init=False, repr=False)  # shared with `relative`

    def __post_init__(self, relative: "Architecture | None") -> None:
        object.__setattr__(self, "nodes", tuple(self.nodes))
        shared = _shared(self.nodes, relative.nodes) if relative else 0
        check_ends(self.nodes)
        check_edges(self.nodes, shared)
        object.__setattr__(self, "_facts_by_id", self._infer_facts(relative, shared))
        check_all_read(self.nodes)
        check_embeddings(self.nodes)
        prefix = relative._shared_prefix(shared) if relative else ([], [])
        object.__setattr__(self, "_prefix", prefix)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Architecture):
            return NotImplemented
        return self is other or self.fingerprint == other.fingerprint

    def __hash__(self) -> int:
        return hash(self.fingerprint)

    def __reduce__(self) -> tuple[type["Architecture"], tuple[tuple[Node, ...]]]:
        """Pickle the nodes alone; the rest is computed again."""
        return Architecture, (self.nodes,)

    # --- derived facts ------------------------------------------------------------------------

    def _infer_facts(self, relative: "Architecture | None", shared: int) -> dict[int, LayerFacts]:
        """The facts of each node by id; raises InvalidArchitecture if its inputs do not fit.

        The first `shared` nodes are those of `relative`. Its facts are also taken over for other
        nodes that are the same object there and read nodes with the same facts.
        """
        nodes: Mapping[int, Node] = relative._by_id if relative else {}
        others = relative._facts_by_id if relative else {}
        facts = dict(islice(others.items(), shared))
        for node in self.nodes[shared:]:
            inputs = node.inputs
            if nodes.get(node.id) is node and all([facts[i] is others[i] for i in inputs]):
                facts[node.id] = others[node.id]
                continue
            try:
                facts[node.id] = _facts(node.layer, tuple([facts[i].shape for i in inputs]))
            except InvalidArchitecture as error:
                raise InvalidArchitecture(f"node {node.id}: {error}") from None
        return facts

    def _shared_prefix(self, shared: int) -> tuple[Sources, Colours]:
        """The sources and colours of the first nodes, as far as they are computed already."""
        computed = self.__dict__
        return computed.get("sources", [])[:shared], computed.get("_colours", [])[:shared]

    @cached_property
    def facts(self) -> list[LayerFacts]:
        """The facts of each node, in the order of `nodes`."""
        return list(self._facts_by_id.values())

    @cached_property
    def shapes(self) -> Mapping[int, Shape]:
        """The output shape of each node."""
        return {key: facts.shape for key, facts in self._facts_by_id.items()}

    @cached_property
    def costs(self) -> tuple[LayerCost, ...]:
        """The cost of each node, in the order of `nodes`."""
        return tuple([facts.cost for facts in self.facts])

    @cached_property
    def segments(self) -> Mapping[int, tuple[Segment, ...]]:
        """The width variables of each node's channel axis, in order along the axis."""
        return infer_segments([(n.id, n.layer, n.inputs) for n in self.nodes], self.shapes)

    @cached_property
    def nonnegative(self) -> Mapping[int, bool]:
        """Whether each node's output is never negative, whatever the weights."""
        signs: dict[int, bool] = {}
        for node in self.nodes:
            signs[node.id] = node.layer.nonnegative([signs[source] for source in node.inputs])
        return signs

    @cached_property
    def fingerprint(self) -> str:
        """A text that is equal exactly for equal graphs; 32 hexadecimal digits."""
        marks = [facts.mark for facts in self.facts]
        return fingerprints.fingerprint(marks, self.sources, self._colours)

    @cached_property
    def _colours(self) -> Colours:
        """The forward colour of each node, which identifies all that the node depends on."""
        marks = [facts.mark for facts in self.facts]
        return fingerprints.colours(marks, self.sources, self._prefix[1])

    @cached_property
    def parameters(self) -> int:
        """The number of trainable parameters."""
        return sum(cost.parameters for cost in self.costs)

    @cached_property
    def flops(self) -> int:
        """Operations of one example's forward pass; a multiply-add counts as two."""
        return sum(cost.flops for cost in self.costs)

    @property
    def input_shape(self) -> Shape:
        """The shape of one example."""
        return self.shapes[self.nodes[0].id]

    @property
    def output_shape(self) -> Shape:
        """The shape of the logits of one example: (classes,)"""
        return self.shapes[self.nodes[-1].id]

    # --- the graph ----------------------------------------------------------------------------

    @cached_property
    def sources(self) -> Sources:
        """The indices in `nodes` of the nodes that each node reads."""
        prefix = self._prefix[0]
        indices = {node.id: index for index, node in enumerate(self.nodes)}
        more = [[indices[source] for source in node.inputs] for node in self.nodes[len(prefix) :]]
        return prefix + more

    @cached_property
    def _by_id(self) -> Mapping[int, Node]:
        return {node.id: node for node in self.nodes}

    @cached_property
    def _readers(self) -> Mapping[int, tuple[int, ...]]:
        readers: dict[int, list[int]] = {node.id: [] for node in self.nodes}
        for node in self.nodes:
            for source in set(node.inputs):
                readers[source].append(node.id)
        return {source: tuple(ids) for source, ids in readers.items()}

    @cached_property
    def ancestors(self) -> Mapping[int, frozenset[int]]:
        """The ids of all nodes that each node depends on."""
        ancestors: dict[int, frozenset[int]] = {}
        for node in self.nodes:
            ancestors[node.id] = frozenset(node.inputs).union(*[ancestors[i] for i in node.inputs])
        return ancestors

    @cached_property
    def spatial_ancestors(self) -> Mapping[int, frozenset[int]]:
        """The ancestors of each node that reach it through its spatial axes.

        Ancestors that only contribute the factors of a `Scale` are left out.
        """
        if not any([isinstance(node.layer, Scale) for node in self.nodes]):
            return self.ancestors
        ancestors: dict[int, frozenset[int]] = {}
        for node in self.nodes:
            inputs = spatial_inputs(node)
            ancestors[node.id] = frozenset(inputs).union(*[ancestors[i] for i in inputs])
        return ancestors

    @property
    def vocabulary(self) -> int | None:
        """The number of tokens, where the input holds token numbers; else None."""
        layers = [self.node(reader).layer for reader in self.readers(self.nodes[0].id)]
        return min([one.vocabulary for one in layers if isinstance(one, Embedding)], default=None)

    def node(self, node_id: int) -> Node:
        """The node with this id; raises InvalidArchitecture if there is none."""
        try:
            return self._by_id[node_id]
        except KeyError:
            raise InvalidArchitecture(
                f"there is no node {node_id!r}; the nodes are {list(self._by_id)}"
            ) from None

    def readers(self, node_id: int) -> tuple[int, ...]:
        """The ids of the nodes that read this one, each once, in topological order.

        Raises InvalidArchitecture if there is no node with this id.
        """
        return self._readers[self.node(node_id).id]

    def input_shapes(self, node: Node) -> tuple[Shape, ...]:
        """The shapes of the node's inputs, without the batch."""
        return tuple([self.shapes[source] for source in node.inputs])

    @property
    def logits(self) -> int:
        """The id of the node that the output reads."""
        return self.nodes[-1].inputs[0]

    @cached_property
    def next_id(self) -> int:
        """The first id that is larger than all ids in use."""
        return max(self._by_id) + 1

    def cached(self, function: "Callable[[Architecture], T]") -> T:
        """The value of a function of this architecture, computed once and kept with it."""
        values: dict[Any, Any] = self.__dict__.setdefault("_cached", {})
        if function not in values:
            values[function] = function(self)
        value: T = values[function]
        return value

    # --- changed copies -----------------------------------------------------------------------

    def with_layers(self, layers: Mapping[int, AbstractLayer]) -> "Architecture":
        """The same graph with other layers at some node ids.

        Raises InvalidArchitecture if the new layers do not fit.
        """
        changed = [
            Node(node.id, layers[node.id], node.inputs) if node.id in layers else node
            for node in self.nodes
        ]
        return Architecture(tuple(changed), self)

    def with_inserted(self, after: int, nodes: Sequence[Node]) -> "Architecture":
        """The graph with `nodes` inserted behind node `after`; its readers now read the last one.

        Raises InvalidArchitecture if the inserted nodes do not fit.
        """
        last = nodes[-1].id
        changed: list[Node] = []
        for node in self.nodes:
            if after in node.inputs:
                inputs = tuple([last if source == after else source for source in node.inputs])
                node = Node(node.id, node.layer, inputs)
            changed.append(node)
            if node.id == after:
                changed.extend(nodes)
        return Architecture(tuple(changed), self)

    # --- JSON ---------------------------------------------------------------------------------

    def to_json(self) -> dict[str, Any]:
        """The architecture as JSON, with its node ids."""
        return {
            "version": VERSION,
            "nodes": [node.to_json() for node in self.nodes],
        }

    def canonical_json(self) -> str:
        """`to_json` as text with sorted keys and no spaces."""
        return json.dumps(self.to_json(), sort_keys=True, separators=(",", ":"))

    @classmethod
    def from_json(cls, data: Any) -> "Architecture":
        """The architecture of `to_json`; raises InvalidArchitecture for anything else."""
        if not isinstance(data, dict) or set(data) != {"version", "nodes"}:
            found = sorted(map(str, data)) if isinstance(data, dict) else type(data).__name__
            raise InvalidArchitecture(
                f"an architecture has exactly 'version' and 'nodes'; found {found}"
            )
        if data["version"] != VERSION:
            raise InvalidArchitecture(
                f"the architecture has version {data['version']!r}; expected {VERSION}"
            )
        if not isinstance(data["nodes"], list):
            raise InvalidArchitecture(f"'nodes' is {type(data['nodes']).__name__}; expected a list")
        return cls(tuple(Node.from_json(entry) for entry in data["nodes"]))


def _shared(nodes: Sequence[Node], others: Sequence[Node]) -> int:
    """The number of leading nodes that are the same objects in both."""
    for index, (node, other) in enumerate(zip(nodes, others, strict=False)):
        if node is not other:
            return index
    return min(len(nodes), len(others))
