"""A controller that learns which morphisms help (EAS: Cai et al. 2018, arXiv:1707.04873).

As there, a policy changes networks by function-preserving morphisms and learns by REINFORCE from
the values of the children. A gain is rewarded more the better the network already is: the reward
is tan(π/2 · accuracy) (ibid., section "Training with policy gradient"). The tangent assumes that
values are shares, of which 1 is the best; where one is below 0 or above 1, the values themselves
are the rewards. Here every morphism is trained before the next, so that each has a reward of its
own. The policy keeps no state: for each request it is learned again, trial by trial in the order of
their numbers.

Two choices make a suggestion: a parent among the best, rewarded by the child's value, and one of
its morphisms, rewarded by the child's gain over the parent. Weights are linear in features of the
pair, in place of the paper's recurrent network: a search has hundreds of trials, not thousands.
"""

from bisect import insort
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from math import log, log2, pi, tan
from typing import Self
from uuid import UUID

import numpy as np

from core.errors import InvalidInput
from core.graph.architecture import Architecture
from core.graph.bounds import fits
from core.graph.node import Node
from core.layers import LAYERS
from core.morphisms import MORPHISMS, AbstractMorphism, allowed, to_json
from core.protocol.contracts.bounds import Bounds
from core.protocol.states import TrialStatus
from core.search.history import PastTrial, Suggestion, SuggestRequest
from core.search.strategies.abstract import STRATEGIES, AbstractStrategy
from core.search.strategies.policy import Baseline, Choices, Policy, choices

_NODES = ("node_id", "start", "end")  # fields of morphisms that name nodes
_NEARLY_ONE = 0.999  # to which shares are clipped, as the tangent is infinite at 1
_BETTER_FIRST = {"rank": -2.0}  # initial weights for parents: better ones are likelier


@dataclass(frozen=True, slots=True)
class Moves:
    """The candidate morphisms of a network, as choices."""

    morphisms: tuple[AbstractMorphism, ...]
    among: Choices


@STRATEGIES.register("reinforce")
@dataclass(frozen=True, slots=True)
class Reinforce(AbstractStrategy):
    """Morphisms drawn from a policy that is trained on the search's own trials."""

    rate: float = 0.1  # learning rate
    memory: float = 0.95  # of the running mean of rewards
    pool: int = 20  # best networks that may be parents

    def __post_init__(self) -> None:
        if not (0 <= self.rate <= 10 and 0 <= self.memory <= 1 and 1 <= self.pool <= 10_000):
            raise InvalidInput(
                f"found rate {self.rate}, memory {self.memory} and a pool of {self.pool}; "
                "expected 0 to 10, 0 to 1, and 1 to 10000"
            )

    def suggest(self, request: SuggestRequest) -> list[Suggestion]:
        policies = train(self, request)
        parents = sorted(_Ranked.of(trial) for trial in request.parents)
        excluded = set(request.fingerprints)
        found: list[Suggestion] = []
        while len(found) < request.count and parents:
            index = policies.draw_parent(parents, request.rng)
            parent = parents[index].trial
            child = policies.draw_child(parent, excluded, request.rng)
            if child is None:  # it has no new children
                parents.pop(index)
            else:
                policies.children[parent.trial_id] += 1
                excluded.add(child.architecture.fingerprint)
                found.append(child)
        return found


@dataclass(frozen=True, slots=True, order=True)
class _Ranked:
    """A possible parent; the better one comes first, of equal ones the older."""

    key: tuple[bool, float, int]
    trial: PastTrial = field(compare=False)

    @classmethod
    def of(cls, trial: PastTrial) -> Self:
        return cls((trial.value is None, -(trial.value or 0.0), trial.number), trial)


@dataclass(slots=True)
class Policies:
    """The policies for parents and for morphisms, and the number of children of each parent."""

    options: Reinforce
    bounds: Bounds
    parents: Policy = field(default_factory=lambda: Policy(dict(_BETTER_FIRST)))
    morphisms: Policy = field(default_factory=Policy)
    children: Counter[UUID] = field(default_factory=Counter)

    def draw_parent(self, parents: Sequence[_Ranked], rng: np.random.Generator) -> int:
        """The index of a parent among the best."""
        among = self.describe(parents)
        return int(rng.choice(len(among), p=self.parents.probabilities(among)))

    def draw_child(
        self, parent: PastTrial, excluded: set[str], rng: np.random.Generator
    ) -> Suggestion | None:
        """A new child within the bounds; None if there is none."""
        found = moves(parent.architecture, self.bounds)
        for index in self.morphisms.order(found.among, rng) if found.morphisms else ():
            morphism = found.morphisms[index]
            child = morphism.apply(parent.architecture)
            if child.fingerprint not in excluded and fits(child, self.bounds):
                return Suggestion.child(parent, (morphism,), child)
        return None

    def describe(self, parents: Sequence[_Ranked]) -> Choices:
        """The best of the parents as choices: their rank, their children, their size."""
        pool = parents[: self.options.pool]
        return choices(
            [
                {
                    "rank": rank / len(pool),
                    "children": log2(1 + self.children[one.trial.trial_id]),
                    "size": _size(one.trial.architecture),
                    "layers": _depth(one.trial.architecture),
                }
                for rank, one in enumerate(pool)
            ],
            prior=[1.0] * len(pool),
        )


def train(options: Reinforce, request: SuggestRequest) -> Policies:
    """The policies after all trials of a request, in the order of their numbers."""
    policies = Policies(options, request.bounds)
    rewards = _rewards(request.completed)
    of_values, of_gains = Baseline(options.memory), Baseline(options.memory)
    known = {trial.trial_id: trial for trial in request.trials}
    ranked: list[_Ranked] = []
    for trial in sorted(known.values(), key=lambda trial: trial.number):
        parent = None if trial.parent_id is None else known.get(trial.parent_id)
        if trial.trial_id in rewards:
            reward = rewards[trial.trial_id]
            advantage = options.rate * of_values.advantage(reward)
            if parent is not None:
                _learn_parent(policies, ranked, parent, advantage)
            if parent is not None and parent.trial_id in rewards:
                gain = reward - rewards[parent.trial_id]
                _learn_morphism(policies, parent, trial, options.rate * of_gains.advantage(gain))
        if parent is not None:
            policies.children[parent.trial_id] += 1
        if trial.inheritable:
            insort(ranked, _Ranked.of(trial))
    return policies


def _learn_parent(
    policies: Policies, ranked: Sequence[_Ranked], parent: PastTrial, step: float
) -> None:
    pool = [one.trial.trial_id for one in ranked[: policies.options.pool]]
    if step and parent.trial_id in pool:
        policies.parents.learn(policies.describe(ranked), pool.index(parent.trial_id), step)


def _learn_morphism(policies: Policies, parent: PastTrial, trial: PastTrial, step: float) -> None:
    """Learn from a single morphism: of a chain it is unknown which of its morphisms helped."""
    if not step or len(trial.morphisms) != 1:
        return
    found = moves(parent.architecture, policies.bounds)
    if trial.morphisms[0] in found.morphisms:
        index = found.morphisms.index(trial.morphisms[0])
        policies.morphisms.learn(found.among, index, step)


def _rewards(completed: Sequence[PastTrial]) -> dict[UUID, float]:
    """The rewards by trial id: tangents of values if all are shares, else the values.

    An infeasible trial has the worst reward.
    """
    values = {trial.trial_id: trial.value for trial in completed if trial.value is not None}
    worst = min(values.values(), default=0.0)
    for trial in completed:
        if trial.status is TrialStatus.INFEASIBLE:
            values[trial.trial_id] = worst
    if all(0 <= value <= 1 for value in values.values()):
        return {name: tan(pi / 2 * min(value, _NEARLY_ONE)) for name, value in values.items()}
    return values


# --- features -----------------------------------------------------------------------------------


def moves(architecture: Architecture, bounds: Bounds) -> Moves:
    """The candidate morphisms of a network; before learning all kinds are equally likely."""
    return _moves(architecture.nodes, bounds)


@lru_cache(maxsize=4096)
def _moves(nodes: tuple[Node, ...], bounds: Bounds) -> Moves:
    architecture = Architecture(nodes)
    kinds = allowed(bounds)
    found = {
        kind: tuple(cls.candidates(architecture, bounds))
        for kind, cls in MORPHISMS.items()
        if cls in kinds
    }
    positions = {node.id: index / (len(nodes) - 1) for index, node in enumerate(nodes)}
    described = [
        dict(_described(kind, morphism, architecture, positions))
        for kind, some in found.items()
        for morphism in some
    ]
    prior = [1 / len(some) for some in found.values() for _ in some]
    return Moves(tuple(one for some in found.values() for one in some), choices(described, prior))


def _described(
    kind: str, morphism: AbstractMorphism, architecture: Architecture, positions: dict[int, float]
) -> Iterator[tuple[str, float]]:
    """Features of a morphism: its kind, its position, and the layer there."""
    yield kind, 1.0
    yield f"{kind}, size", _size(architecture)
    yield f"{kind}, layers", _depth(architecture)
    fields = to_json(morphism)
    for name, value in fields.items():
        if name != "kind" and isinstance(value, str):
            yield f"{kind}, {name} {value}", 1.0
    nodes = [fields[name] for name in _NODES if fields.get(name) in positions]
    if nodes:
        yield f"{kind}, position", 2 * sum(positions[node] for node in nodes) / len(nodes) - 1
        yield f"at {LAYERS.kind_of(architecture.node(nodes[0]).layer)}", 1.0
        yield "width", log2(architecture.shapes[nodes[0]][0]) / 4 - 1


def _size(architecture: Architecture) -> float:
    """About -1 to 1 for networks of 5,000 to 2,000,000 parameters."""
    return log(architecture.parameters + 1) / 3 - 3.8


def _depth(architecture: Architecture) -> float:
    """About -1 to 1 for networks of up to 40 layers."""
    return len(architecture.nodes) / 20 - 1
