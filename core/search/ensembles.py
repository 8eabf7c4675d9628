"""Several networks as one: side by side on one input, and the mean of their logits.

Networks that were trained apart err apart, so that their mean errs less (Lakshminarayanan, Pritzel
& Blundell 2017, arXiv:1612.01474). The joint network has an ordinary architecture: the weights of
the last dense layers are divided by the number of networks, and a layer adds their outputs.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from core.errors import InvalidArchitecture
from core.graph.architecture import Architecture
from core.graph.bounds import fits, measured_bounds
from core.graph.node import Node
from core.graph.weights import Weights
from core.layers import Add, Dense, Output
from core.protocol.contracts.bounds import Bounds
from core.search.choice import Forecast, is_near
from core.search.history import PastTrial
from core.search.lineage import root_of
from core.search.race import forecasts

MOST_ERRORS = 4.0  # of a network that joins, in those of the winner
#: More than any network has: for quantities without a bound.
_ANY = 2**62
_JOINT_BOUNDS = frozenset({"parameters", "flops", "memory", "latency", "without_layers"})


def joined(architectures: Sequence[Architecture]) -> Architecture:
    """The networks side by side on one input, their logits added up.

    The nodes of the first network keep their ids.

    Raises:
        InvalidArchitecture: networks differ in input or output, or do not end in a dense layer.
    """
    if len(architectures) == 1:
        return architectures[0]
    members = _members(architectures)
    nodes = [architectures[0].nodes[0]]
    for member in members:
        inner = member.architecture.nodes[1:-1]
        nodes += [Node(member.ids[n.id], n.layer, member.renamed(n.inputs)) for n in inner]
    after = max(node.id for node in nodes) + 1
    nodes.append(Node(after, Add(), tuple(member.logits for member in members)))
    nodes.append(Node(after + 1, Output(), (after,)))
    return Architecture(tuple(nodes))


def joined_weights(architectures: Sequence[Architecture], weights: Sequence[Weights]) -> Weights:
    """Weights of the joint network, with which its logits are the mean of the networks' logits."""
    if len(architectures) == 1:
        return weights[0]
    found: Weights = {}
    for member, own in zip(_members(architectures), weights, strict=True):
        found |= {member.ids[node_id]: arrays for node_id, arrays in own.items()}
        last = found[member.logits]
        found[member.logits] = {name: array / len(weights) for name, array in last.items()}
    return found


@dataclass(frozen=True, slots=True)
class _Member:
    """One of several networks, and the ids of its nodes in the joint network."""

    architecture: Architecture
    ids: dict[int, int]

    @property
    def logits(self) -> int:
        return self.ids[self.architecture.logits]

    def renamed(self, inputs: tuple[int, ...]) -> tuple[int, ...]:
        return tuple(self.ids[source] for source in inputs)


def _members(architectures: Sequence[Architecture]) -> list[_Member]:
    """Each network with node ids of its own; the input node is shared."""
    first = architectures[0].nodes[0].id
    found, offset = [], 0
    for architecture in architectures:
        _check(architecture, architectures[0])
        ids = {node.id: node.id + offset for node in architecture.nodes}
        found.append(_Member(architecture, ids | {architecture.nodes[0].id: first}))
        offset += architecture.next_id
    return found


def _check(architecture: Architecture, first: Architecture) -> None:
    """Raise InvalidArchitecture unless the network can be joined to the first one."""
    last = architecture.node(architecture.logits).layer
    if not isinstance(last, Dense):
        raise InvalidArchitecture(f"the logits come from a {last.title}; expected a dense layer")
    shapes, expected = (
        (one.input_shape, one.output_shape) for one in (architecture, first)
    )  # fmt: skip
    if shapes != expected:
        raise InvalidArchitecture(f"the input and output are {shapes}; expected {expected}")


# --- which networks ---------------------------------------------------------------------------


def members_of(
    trials: Sequence[PastTrial], count: int, given: Bounds | None = None
) -> list[PastTrial]:
    """Up to `count` trials for an ensemble, the winner first; none where there are not two.

    The best of each root come first, as networks of different roots differ most; then the best of
    the others. No architecture comes twice, and none of which far more errors are expected. The
    joint network keeps to the bounds that were given on parameters, FLOPs, memory, latency and
    kinds of layers (it has an `Add`); bounds chosen for the data are meant for one network.
    """
    bounds = _bounds(trials, given)
    found: list[PastTrial] = []
    for trial in _by_root(_different(_useful(forecasts(trials))), trials):
        if len(found) == count:
            break
        if not found or fits(joined([one.architecture for one in (*found, trial)]), bounds):
            found.append(trial)
    return found if len(found) > 1 else []


def _useful(ranked: Sequence[Forecast]) -> list[PastTrial]:
    """The winner and the trials of which not much more errors are expected, beyond noise."""
    return [one.trial for one in ranked if is_near(one, ranked[0], times=MOST_ERRORS)]


def _different(trials: Sequence[PastTrial]) -> list[PastTrial]:
    """The trials with weights, each architecture once."""
    first: dict[str, PastTrial] = {}
    for trial in trials:
        if trial.inheritable:
            first.setdefault(trial.architecture.fingerprint, trial)
    return list(first.values())


def _by_root(chosen: Sequence[PastTrial], trials: Sequence[PastTrial]) -> Iterator[PastTrial]:
    """The first trial of each root, then the others, both in the given order."""
    best: dict[UUID, PastTrial] = {}
    for trial in chosen:
        best.setdefault(root_of(trial, trials).trial_id, trial)
    yield from best.values()
    taken = {trial.trial_id for trial in best.values()}
    yield from (trial for trial in chosen if trial.trial_id not in taken)


def _bounds(trials: Sequence[PastTrial], given: Bounds | None) -> Bounds:
    """Only the given bounds on the joint network, with the measured speed of the workers."""
    limits: dict[str, Any] = {"layers": _ANY, "width": _ANY, "parameters": _ANY}
    if given is not None:
        names = given.model_fields_set & _JOINT_BOUNDS
        limits |= {name: getattr(given, name) for name in names}
    measured = [(one.architecture, one.latency) for one in trials if one.latency]
    return measured_bounds(Bounds(), measured).model_copy(update=limits)


def in_words(numbers: Sequence[int], requested: int = 0) -> str:
    """ "an ensemble of trials 5, 7 and 9"; empty where there are none.

    Where more networks were requested than could be joined, it says so.
    """
    missing = f" ({requested} networks requested)" if requested > max(1, len(numbers)) else ""
    if not numbers:
        return f"one network{missing}" if missing else ""
    *most, last = map(str, sorted(numbers))
    return f"an ensemble of trials {', '.join(most)} and {last}{missing}"
