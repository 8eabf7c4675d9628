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
from core.graph.node import Node, carried
from core.graph.segments import Segment, infer_segments
from core.graph.validation import check_all_read, check_edges, check_ends
from core.layers import AbstractLayer, Scale, Shape

VERSION = 1  # of the JSON

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class LayerFacts:
    """What a layer makes of inputs of some shapes."""

    layer: AbstractLayer
    shape: Shape
    cost: LayerCost
    mark: Mark  # of the layer


@lru_cache(maxsize=65_536)
def _facts(layer: AbstractLayer, inputs: tuple[Shape, ...]) -> LayerFacts:
    """The facts of a layer; raises InvalidArchitecture where the inputs do not fit."""
    if len(inputs) != layer.inputs and (layer.inputs is not None or len(inputs) < 2):
        expected = "two or more" if layer.inputs is None else layer.inputs
        raise InvalidArchitecture(f"has {len(inputs)} inputs; expected {expected}")
    return LayerFacts(layer, layer.output_shape(inputs), layer_cost(layer, inputs), mark(layer))


@dataclass(frozen=True, eq=False)
class Architecture:
    """A graph from one `Input` to one `Output`, in topological order, every node read.

    Two architectures are equal when they are the same graph, however numbered. Weights belong to
    node ids, which morphisms and JSON keep.
    """

    nodes: tuple[Node, ...]
    like: InitVar["Architecture | None"] = None  # one that shares most nodes: for speed alone
    _known: Mapping[int, LayerFacts] = field(init=False, repr=False)  # of each node, in order
    _begun: tuple[Sources, Colours] = field(init=False, repr=False)  # for speed alone

    def __post_init__(self, like: "Architecture | None") -> None:
        object.__setattr__(self, "nodes", tuple(self.nodes))
        shared = _shared(self.nodes, like.nodes) if like else 0
        check_ends(self.nodes)
        check_edges(self.nodes, shared)
        object.__setattr__(self, "_known", self._learn(like, shared))  # refuses what does not fit
        check_all_read(self.nodes)
        object.__setattr__(self, "_begun", like._beginning(shared) if like else ([], []))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Architecture):
            return NotImplemented
        return self is other or self.fingerprint == other.fingerprint

    def __hash__(self) -> int:
        return hash(self.fingerprint)

    def __reduce__(self) -> tuple[type["Architecture"], tuple[tuple[Node, ...]]]:
        """Pickled as its nodes: what is known of it is found out again."""
        return Architecture, (self.nodes,)

    # --- what is known of it ------------------------------------------------------------------

    def _learn(self, like: "Architecture | None", shared: int) -> dict[int, LayerFacts]:
        """The facts of each node: those of `like` for all that it reads and is the same in both.

        The first `shared` nodes are the same.
        """
        nodes: Mapping[int, Node] = like._by_id if like else {}
        before = like._known if like else {}
        known = dict(islice(before.items(), shared))
        for node in self.nodes[shared:]:
            inputs = node.inputs
            if nodes.get(node.id) is node and all([known[i] is before[i] for i in inputs]):
                known[node.id] = before[node.id]
                continue
            try:
                known[node.id] = _facts(node.layer, tuple([known[i].shape for i in inputs]))
            except InvalidArchitecture as error:
                raise InvalidArchitecture(f"node {node.id}: {error}") from None
        return known

    def _beginning(self, shared: int) -> tuple[Sources, Colours]:
        """What is known already of the first nodes, for one that shares them."""
        known = self.__dict__
        return known.get("sources", [])[:shared], known.get("_colours", [])[:shared]

    @cached_property
    def facts(self) -> list[LayerFacts]:
        """What each node's layer makes of its inputs, in the order of `nodes`."""
        return list(self._known.values())

    @cached_property
    def shapes(self) -> Mapping[int, Shape]:
        """The output shape of each node."""
        return {key: facts.shape for key, facts in self._known.items()}

    @cached_property
    def costs(self) -> tuple[LayerCost, ...]:
        """The cost of each node, in the order of `nodes`."""
        return tuple([facts.cost for facts in self.facts])

    @cached_property
    def segments(self) -> Mapping[int, tuple[Segment, ...]]:
        """The width variables of each node's channel axis, in order."""
        return infer_segments([(n.id, n.layer, n.inputs) for n in self.nodes], self.shapes)

    @cached_property
    def nonnegative(self) -> Mapping[int, bool]:
        """Whether each node's output is never below zero, whatever the weights."""
        known: dict[int, bool] = {}
        for node in self.nodes:
            known[node.id] = node.layer.nonnegative([known[source] for source in node.inputs])
        return known

    @cached_property
    def fingerprint(self) -> str:
        """A name shared by exactly the same graphs."""
        marks = [one.mark for one in self.facts]
        return fingerprints.fingerprint(marks, self.sources, self._colours)

    @cached_property
    def _colours(self) -> Colours:
        """Of each node, what its fingerprint sees of all that comes before it."""
        marks = [one.mark for one in self.facts]
        return fingerprints.colours(marks, self.sources, self._begun[1])

    @cached_property
    def parameters(self) -> int:
        """How many numbers training fits."""
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
        """(classes,)"""
        return self.shapes[self.nodes[-1].id]

    # --- its graph ----------------------------------------------------------------------------

    @cached_property
    def sources(self) -> Sources:
        """What each node reads, by its place in `nodes`."""
        begun = self._begun[0]
        places = {node.id: place for place, node in enumerate(self.nodes)}
        more = [[places[source] for source in node.inputs] for node in self.nodes[len(begun) :]]
        return begun + more

    @cached_property
    def _by_id(self) -> Mapping[int, Node]:
        return {node.id: node for node in self.nodes}

    @cached_property
    def _readers(self) -> Mapping[int, tuple[int, ...]]:
        readers: dict[int, list[int]] = {node.id: [] for node in self.nodes}
        for node in self.nodes:
            for source in set(node.inputs):
                readers[source].append(node.id)
        return {source: tuple(found) for source, found in readers.items()}

    @cached_property
    def ancestors(self) -> Mapping[int, frozenset[int]]:
        """All the nodes that each node depends on."""
        known: dict[int, frozenset[int]] = {}
        for node in self.nodes:
            known[node.id] = frozenset(node.inputs).union(*[known[i] for i in node.inputs])
        return known

    @cached_property
    def carriers(self) -> Mapping[int, frozenset[int]]:
        """The ancestors of each node, but those that reach it as the factors of a scaling only.

        Only from these a way leads along which the spatial axes of the node come about.
        """
        if not any([isinstance(node.layer, Scale) for node in self.nodes]):
            return self.ancestors
        known: dict[int, frozenset[int]] = {}
        for node in self.nodes:
            inputs = carried(node)
            known[node.id] = frozenset(inputs).union(*[known[i] for i in inputs])
        return known

    def node(self, node_id: int) -> Node:
        """The node of that id; raises InvalidArchitecture where there is none."""
        try:
            return self._by_id[node_id]
        except KeyError:
            raise InvalidArchitecture(
                f"there is no node {node_id!r}; the nodes are {list(self._by_id)}"
            ) from None

    def readers(self, node_id: int) -> tuple[int, ...]:
        """The ids of the nodes that read it, each once, in topological order."""
        return self._readers[self.node(node_id).id]

    def input_shapes(self, node: Node) -> tuple[Shape, ...]:
        """The shapes of what the node reads."""
        return tuple([self.shapes[source] for source in node.inputs])

    @property
    def logits(self) -> int:
        """The id of the node that the output reads."""
        return self.nodes[-1].inputs[0]

    @cached_property
    def next_id(self) -> int:
        """An id larger than all in use."""
        return max(self._by_id) + 1

    def of(self, fact: "Callable[[Architecture], T]") -> T:
        """What a function says of this architecture, asked once."""
        known: dict[Any, Any] = self.__dict__.setdefault("facts_of_others", {})
        if fact not in known:
            known[fact] = fact(self)
        found: T = known[fact]
        return found

    # --- others made from it ------------------------------------------------------------------

    def with_layers(self, layers: Mapping[int, AbstractLayer]) -> "Architecture":
        """The same graph with other layers at some ids."""
        changed = [
            Node(node.id, layers[node.id], node.inputs) if node.id in layers else node
            for node in self.nodes
        ]
        return Architecture(tuple(changed), self)

    def with_inserted(self, after: int, nodes: Sequence[Node]) -> "Architecture":
        """The graph with `nodes` behind node `after`, whose readers read the last of them."""
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
        """The architecture as JSON, node ids included."""
        return {
            "version": VERSION,
            "nodes": [node.to_json() for node in self.nodes],
        }

    def canonical_json(self) -> str:
        """The one text of `to_json`: sorted keys, no spaces."""
        return json.dumps(self.to_json(), sort_keys=True, separators=(",", ":"))

    @classmethod
    def from_json(cls, data: Any) -> "Architecture":
        """The architecture of its JSON; raises InvalidArchitecture for anything else."""
        if not isinstance(data, dict) or set(data) != {"version", "nodes"}:
            found = sorted(map(str, data)) if isinstance(data, dict) else type(data).__name__
            raise InvalidArchitecture(
                f"an architecture has 'version' and 'nodes' only; found {found}"
            )
        if data["version"] != VERSION:
            raise InvalidArchitecture(
                f"the architecture has version {data['version']!r}; expected {VERSION}"
            )
        if not isinstance(data["nodes"], list):
            raise InvalidArchitecture(f"'nodes' is {type(data['nodes']).__name__}; expected a list")
        return cls(tuple(Node.from_json(entry) for entry in data["nodes"]))


def _shared(nodes: Sequence[Node], others: Sequence[Node]) -> int:
    """How many nodes are the very same ones, from the first on."""
    for place, (node, other) in enumerate(zip(nodes, others, strict=False)):
        if node is not other:
            return place
    return min(len(nodes), len(others))
