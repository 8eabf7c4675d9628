"""Searches by other rules than Netmorph's, over the same morphisms, data and trainer.

`hill_climb` is NASH (Elsken, Metzen & Hutter 2018, arXiv:1711.04528, algorithm 1): from a small
network on, each step trains some children briefly, the rate falling to zero, and goes on with the
best of them; the last one is trained longer. The published epochs (20 for the start, 17 for each of
8 children in 5 steps, 100 for the end) are shares of the budget here. `one_epoch_top_k` is what a
person would script: many random networks for an epoch each, the best few of them for longer, the
best of those to the end.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from benchmarks.solo import Solo
from benchmarks.solo_trial import Found, Trial
from core.graph.architecture import Architecture
from core.graph.roots import all_roots, roots
from core.morphisms import MORPHISMS, AbstractMorphism, sample
from core.protocol.contracts import Hyperparameters, Optimiser
from core.protocol.states import SearchStatus, TrialKind
from core.search import defaults

STEPS, CHILDREN, MORPHISMS_A_CHILD = 5, 8, 5
START_EPOCHS, CHILD_EPOCHS, END_EPOCHS = 20, 17, 100
KINDS = ("deepen", "widen", "add_skip", "concat_skip")  # those of the paper
SGD_RATE, SGD_DECAY = 0.05, 5e-4

FIRST_SHARE, SECOND_SHARE, TOP = 0.35, 0.25, 3  # of the budget; of the networks
LONGEST_WALK = 6  # morphisms from a root

Recipe = Callable[[Solo, float], Hyperparameters]


def hill_climb(search: Solo) -> Found:
    """NASH within the budget in seconds."""
    seconds, rng = _budget(search), np.random.default_rng([search.config.seed, 1])
    epochs = START_EPOCHS + STEPS * CHILDREN * CHILD_EPOCHS + END_EPOCHS
    (root,) = roots(search.spec, search.bounds)
    best = search.train(_trial(search, root, _sgd(search, START_EPOCHS / epochs * seconds)))
    for _ in range(STEPS):
        chosen = _sgd(search, CHILD_EPOCHS / epochs * seconds)
        children = []
        for child in range(CHILDREN):  # the last is the best itself, trained on
            walked = _walk(best.architecture, search, rng) if child < CHILDREN - 1 else ()
            children.append(search.train(_child(search, best, walked, chosen)))
        best = _best(children) or best
    return _finish(search, best, _sgd)


def one_epoch_top_k(search: Solo) -> Found:
    """An epoch each for random networks, more for the best of them."""
    seconds, rng = _budget(search), np.random.default_rng([search.config.seed, 2])
    starts = list(all_roots(search.spec, search.bounds).values())
    tried: list[Trial] = []
    while not tried or search.now < FIRST_SHARE * seconds:
        architecture = _drawn(starts, search, rng)
        chosen = _usual(search, seconds).model_copy(update={"epochs": 1, "max_seconds": None})
        tried.append(search.train(_trial(search, architecture, chosen)))
    longer = SECOND_SHARE * seconds / TOP
    again = [
        search.train(_child(search, one, (), _usual(search, longer)))
        for one in sorted(tried, key=lambda one: -(one.value or 0.0))[:TOP]
        if one.result is not None and one.result.weights is not None
    ]
    best = _best(again) or _best(tried)
    if best is None:
        search.status, search.reason = SearchStatus.FAILED, "no network has a value"
        return search.found()
    return _finish(search, best, _usual)


def _budget(search: Solo) -> float:
    seconds = search.config.budget.seconds
    assert seconds is not None
    return seconds - max(defaults.END_SECONDS, defaults.END_SHARE * seconds)


def _usual(search: Solo, seconds: float) -> Hyperparameters:
    """Netmorph's own recipe of a final fit, for so many seconds."""
    chosen = defaults.final_hyperparameters(search.config, search.spec, elapsed=0.0)
    return chosen.model_copy(update={"max_seconds": max(1.0, seconds)})


def _sgd(search: Solo, seconds: float) -> Hyperparameters:
    """The paper's recipe: SGD with restarts, the rate falling to zero along a cosine each time."""
    return _usual(search, seconds).model_copy(
        update={
            "optimiser": Optimiser.SGD,
            "learning_rate": SGD_RATE,
            "weight_decay": SGD_DECAY,
            "decay": 1.0,
            "averaging": 0.0,
        }
    )


def _trial(search: Solo, architecture: Architecture, chosen: Hyperparameters) -> Trial:
    return Trial(number=len(search.trials), architecture=architecture, hyperparameters=chosen)


def _child(
    search: Solo,
    parent: Trial,
    morphisms: tuple[AbstractMorphism, ...],
    chosen: Hyperparameters,
) -> Trial:
    architecture = parent.architecture
    for morphism in morphisms:
        architecture = morphism.apply(architecture)
    started = _trial(search, architecture, chosen)
    return replace(started, parent=parent, morphisms=morphisms)


def _walk(
    architecture: Architecture, search: Solo, rng: np.random.Generator
) -> tuple[AbstractMorphism, ...]:
    """Some random morphisms of the paper's kinds, one after the other."""
    taken: list[AbstractMorphism] = []
    for _ in range(MORPHISMS_A_CHILD):
        legal = [
            (morphism, child)
            for morphism, child in sample(architecture, search.bounds, rng, 3 * len(MORPHISMS))
            if MORPHISMS.kind_of(morphism) in KINDS
        ]
        if not legal:
            break
        morphism, architecture = legal[0]
        taken.append(morphism)
    return tuple(taken)


def _drawn(starts: list[Architecture], search: Solo, rng: np.random.Generator) -> Architecture:
    """A random walk from a random root."""
    architecture = starts[rng.integers(len(starts))]
    for _ in range(rng.integers(LONGEST_WALK + 1)):
        for _, child in sample(architecture, search.bounds, rng, 1):
            architecture = child
    return architecture


def _best(trials: list[Trial]) -> Trial | None:
    """The trial of the best value; None where none has weights."""
    usable = [one for one in trials if one.result is not None and one.result.weights and one.value]
    return max(usable, key=lambda one: one.value or 0.0, default=None)


def _finish(search: Solo, best: Trial, recipe: Recipe) -> Found:
    """The rest of the time for the best one, which is exported."""
    left = _budget(search) - search.now
    final = _child(search, best, (), recipe(search, left))
    final.kind = TrialKind.FINAL
    search.train(final)
    search.status = SearchStatus.COMPLETED
    return search.found()
