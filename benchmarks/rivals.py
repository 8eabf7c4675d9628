"""Searches by other rules than Netmorph's, over the same morphisms, data and trainer.

`hill_climb` is NASH (Elsken, Metzen & Hutter 2018, arXiv:1711.04528, algorithm 1): it starts from a
small network; each step trains some children briefly, the rate falling to zero, and continues from
the best of them; the last one is trained longer. The published epochs (20 for the start, 17 for
each of 8 children in 5 steps, 100 for the end) are shares of the budget here. `one_epoch_top_k` is
a simple script: train many random networks for one epoch each, the best few of them for longer, and
the best of those to the end.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from benchmarks.solo import Solo
from benchmarks.solo_trial import SearchOutcome, Trial
from core.graph.architecture import Architecture
from core.graph.roots import all_roots, roots
from core.morphisms import MORPHISMS, AbstractMorphism, sample
from core.protocol.contracts.hyperparameters import Hyperparameters
from core.protocol.contracts.training import Optimiser
from core.protocol.states import SearchStatus, TrialKind
from core.search import pace, trial_training

STEPS, CHILDREN, MORPHISMS_A_CHILD = 5, 8, 5
START_EPOCHS, CHILD_EPOCHS, END_EPOCHS = 20, 17, 100
KINDS = ("deepen", "widen", "add_skip", "concat_skip")  # those of the paper
SGD_RATE, SGD_DECAY = 0.05, 5e-4

FIRST_SHARE, SECOND_SHARE, TOP = 0.35, 0.25, 3  # of the budget; of the networks
LONGEST_WALK = 6  # morphisms from a root

Recipe = Callable[[Solo, float], Hyperparameters]


def hill_climb(search: Solo) -> SearchOutcome:
    """Search by NASH within the budget in seconds."""
    seconds, rng = _budget(search), np.random.default_rng([search.config.seed, 1])
    epochs = START_EPOCHS + STEPS * CHILDREN * CHILD_EPOCHS + END_EPOCHS
    (root,) = roots(search.spec, search.bounds)
    best = search.train(_trial(search, root, _sgd(search, START_EPOCHS / epochs * seconds)))
    for _ in range(STEPS):
        hyperparameters = _sgd(search, CHILD_EPOCHS / epochs * seconds)
        children = []
        for child in range(CHILDREN):  # the last is the best itself, trained further
            morphisms = (
                _random_morphisms(best.architecture, search, rng) if child < CHILDREN - 1 else ()
            )
            children.append(search.train(_child(search, best, morphisms, hyperparameters)))
        best = _best(children) or best
    return _finish(search, best, _sgd)


def one_epoch_top_k(search: Solo) -> SearchOutcome:
    """Train random networks for an epoch each, and the best of them for longer."""
    seconds, rng = _budget(search), np.random.default_rng([search.config.seed, 2])
    starts = list(all_roots(search.spec, search.bounds).values())
    first: list[Trial] = []
    while not first or search.now < FIRST_SHARE * seconds:
        architecture = _random_walk(starts, search, rng)
        hyperparameters = _own_recipe(search, seconds).model_copy(
            update={"epochs": 1, "max_seconds": None}
        )
        first.append(search.train(_trial(search, architecture, hyperparameters)))
    seconds_each = SECOND_SHARE * seconds / TOP
    longer_trials = [
        search.train(_child(search, one, (), _own_recipe(search, seconds_each)))
        for one in sorted(first, key=lambda one: -(one.value or 0.0))[:TOP]
        if one.result is not None and one.result.weights is not None
    ]
    best = _best(longer_trials) or _best(first)
    if best is None:
        search.status, search.reason = SearchStatus.FAILED, "no network has a value"
        return search.outcome()
    return _finish(search, best, _own_recipe)


def _budget(search: Solo) -> float:
    seconds = search.config.budget.seconds
    assert seconds is not None
    return seconds - max(pace.END_SECONDS, pace.END_SHARE * seconds)


def _own_recipe(search: Solo, seconds: float) -> Hyperparameters:
    """Netmorph's recipe of a final fit, for this many seconds."""
    recipe = trial_training.final_hyperparameters(search.config, search.spec, elapsed=0.0)
    return recipe.model_copy(update={"max_seconds": max(1.0, seconds)})


def _sgd(search: Solo, seconds: float) -> Hyperparameters:
    """The paper's recipe: SGD with restarts, the rate falling to zero along a cosine each time."""
    return _own_recipe(search, seconds).model_copy(
        update={
            "optimiser": Optimiser.SGD,
            "learning_rate": SGD_RATE,
            "weight_decay": SGD_DECAY,
            "decay": 1.0,
            "averaging": 0.0,
        }
    )


def _trial(search: Solo, architecture: Architecture, hyperparameters: Hyperparameters) -> Trial:
    return Trial(
        number=len(search.trials), architecture=architecture, hyperparameters=hyperparameters
    )


def _child(
    search: Solo,
    parent: Trial,
    morphisms: tuple[AbstractMorphism, ...],
    hyperparameters: Hyperparameters,
) -> Trial:
    architecture = parent.architecture
    for morphism in morphisms:
        architecture = morphism.apply(architecture)
    started = _trial(search, architecture, hyperparameters)
    return replace(started, parent=parent, morphisms=morphisms)


def _random_morphisms(
    architecture: Architecture, search: Solo, rng: np.random.Generator
) -> tuple[AbstractMorphism, ...]:
    """Random morphisms of the paper's kinds, each applied after the one before."""
    chain: list[AbstractMorphism] = []
    for _ in range(MORPHISMS_A_CHILD):
        legal = [
            (morphism, child)
            for morphism, child in sample(architecture, search.bounds, rng, 3 * len(MORPHISMS))
            if MORPHISMS.kind_of(morphism) in KINDS
        ]
        if not legal:
            break
        morphism, architecture = legal[0]
        chain.append(morphism)
    return tuple(chain)


def _random_walk(
    starts: list[Architecture], search: Solo, rng: np.random.Generator
) -> Architecture:
    """The architecture at the end of a random walk from a random root."""
    architecture = starts[rng.integers(len(starts))]
    for _ in range(rng.integers(LONGEST_WALK + 1)):
        for _, child in sample(architecture, search.bounds, rng, 1):
            architecture = child
    return architecture


def _best(trials: list[Trial]) -> Trial | None:
    """The trial with the best value; None where none has weights."""
    usable = [one for one in trials if one.result is not None and one.result.weights and one.value]
    return max(usable, key=lambda one: one.value or 0.0, default=None)


def _finish(search: Solo, best: Trial, recipe: Recipe) -> SearchOutcome:
    """Train the best trial for the rest of the time and export it."""
    left = _budget(search) - search.now
    final = _child(search, best, (), recipe(search, left))
    final.kind = TrialKind.FINAL
    search.train(final)
    search.status = SearchStatus.COMPLETED
    return search.outcome()
