"""The contenders for the lowest test error: a search, hand-made networks, a plain loop.

Each is a function from a run to its measurements.
"""

import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch

from benchmarks import data_sets, incumbents, plain_loop, solo
from benchmarks.hand_made import hand_made
from benchmarks.records import Record, Run
from benchmarks.solo import Solo
from benchmarks.solo_trial import SearchOutcome, Trial
from core.data.datasets import Arrays
from core.protocol.contracts.budgets import Budget
from core.protocol.contracts.search_config import SearchConfig
from core.protocol.contracts.train_orders import TrainOrder
from core.protocol.contracts.training import Training
from core.search import trial_training
from core.tasks import TASKS

TASK = "image-classification"
CLOCKS: Mapping[str, Callable[[], float]] = {"cpu": time.process_time, "wall": time.monotonic}

#: For contenders that train one network for all of the time. The recipe depends on how often a
#: network sees each example; several networks share the time, so each of them sees it less often.
ONE_NETWORK = Training(ensemble=1)

Contender = Callable[[Run], Record]


def search(
    run: Run,
    carry_out: Callable[[Solo], SearchOutcome] = Solo.run,
    *,
    adjust: Callable[[TrainOrder], TrainOrder] | None = None,
    with_curve: bool = False,
    **changes: Any,
) -> Record:
    """Carry out a search with the defaults, except for `changes` of its configuration.

    `carry_out` searches by other rules, `adjust` changes every order. The curve is the test error
    of the network that would be exported at each time; it is measured outside the budget.
    """
    arrays, spec = data_sets.load(run.dataset)
    config = SearchConfig(**{"budget": Budget(seconds=run.seconds), "seed": run.seed} | changes)
    options: dict[str, Any] = {} if adjust is None else {"adjust": adjust}
    began = CLOCKS[run.clock]()
    with solo.temporary_folder() as folder:
        solo_search = Solo(
            config=config, spec=spec, name=run.dataset, arrays=arrays, folder=folder,
            clock=CLOCKS[run.clock], threads=run.threads, **options,
        )  # fmt: skip
        outcome = carry_out(solo_search)
        used = CLOCKS[run.clock]() - began
        curve = incumbents.curve(solo_search) if with_curve else None
    record = _search_facts(outcome, arrays) | {"used": round(used, 2)}
    return record if curve is None else record | {"curve": curve}


def netmorph(run: Run) -> Record:
    """Carry out a search with the defaults."""
    return search(run)


def single(run: Run) -> Record:
    """Carry out a search that exports one network, however much time there is."""
    return search(run, training=ONE_NETWORK)


def ensemble(run: Run) -> Record:
    """Carry out a search that exports an ensemble of its three best networks."""
    return search(run, training=Training(ensemble=3))


def hand_made_contender(name: str) -> Contender:
    """A contender that trains the hand-made network with Netmorph's trainer for all of the time."""
    return lambda run: search(
        run,
        lambda alone: alone.fit_alone(hand_made(alone.spec)[name]),
        training=ONE_NETWORK,
    )


def plain(run: Run) -> Record:
    """Train the first hand-made network with a loop as in tutorials."""
    arrays, spec = data_sets.load(run.dataset)
    name, architecture = next(iter(hand_made(spec).items()))
    clock = CLOCKS[run.clock]
    began = clock()
    torch.set_num_threads(run.threads)
    config = SearchConfig(budget=Budget(seconds=run.seconds))
    limit = trial_training.final_hyperparameters(config, spec, elapsed=0.0).max_seconds
    accuracy = plain_loop.train_plainly(
        architecture, arrays, spec, seconds=limit or run.seconds, seed=run.seed, clock=clock
    )
    return test_facts(accuracy, len(arrays.y_test)) | {
        "network": name,
        "parameters": architecture.parameters,
        "used": round(clock() - began, 2),
    }


def _search_facts(outcome: SearchOutcome, arrays: Arrays) -> Record:
    final = outcome.final
    test = None if final is None or final.result is None else final.result.test
    if test is None:
        reason = outcome.reason or (
            final.result.reason if final and final.result else "no final fit"
        )
        return _failure_facts(reason, arrays) | {"seconds_of_search": round(outcome.seconds, 2)}
    assert final is not None
    share = outcome.compute_in_winner
    return test_facts(test.metric, test.examples) | {
        "parameters": final.result.parameters if final.result else None,
        "layers": len(final.architecture.nodes),
        "compute_in_winner": None if share is None else round(share, 4),
        "seconds_of_search": round(outcome.seconds, 2),
        "trials": [_trial_facts(trial) for trial in outcome.trials],
    }


def _trial_facts(trial: Trial) -> Record:
    """The entry of a record for one trial."""
    result, parent = trial.result, trial.parent
    facts: Record = {
        "number": trial.number,
        "kind": str(trial.kind),
        "parent": None if parent is None else parent.number,
        "members": [member.number for member in trial.members],
        "morphisms": [type(morphism).__name__ for morphism in trial.morphisms],
        "choices": trial.choices.changes,
        "status": str(trial.status),
        "parameters": trial.architecture.parameters,
        "started": round(trial.started, 2),
        "ended": round(trial.ended, 2),
    }
    if result is None:
        return facts
    measured = {
        "value": result.value,
        "value_std": result.value_std,
        "loss": result.validation_loss,
        "epochs": result.epochs,
        "seconds": round(result.seconds, 2),
        "samples_per_second": result.samples_per_second,
        "precision": result.precision,
        "reason": result.reason,
        "test": None if result.test is None else result.test.metric,
        "exported": None if result.comparison is None else result.comparison.exported,
    }
    return facts | {name: value for name, value in measured.items() if value not in (None, "")}


def test_facts(accuracy: float, examples: int) -> Record:
    """The entries of a record for a test."""
    return {
        "error": round(100 * (1 - accuracy), 4),  # %
        "se": round(100 * TASKS[TASK]().value_std(accuracy, examples), 4),
        "test_examples": examples,
    }


def _failure_facts(reason: str, arrays: Arrays) -> Record:
    """The entries of a run without a network: it predicts the most frequent class."""
    counts = np.bincount(arrays.y_train)
    accuracy = float((arrays.y_test == counts.argmax()).mean())
    return test_facts(accuracy, len(arrays.y_test)) | {"failure": reason or "no reason given"}


def contender_of(name: str) -> Contender:
    """The contender of `outcome` with this name."""
    known: dict[str, Contender] = {
        "netmorph": netmorph,
        "single": single,
        "ensemble": ensemble,
        "plain": plain,
    }
    return known.get(name) or hand_made_contender(name)
