"""What contends for the lowest test error: a search, hand-made networks, a plain loop.

Each is a function from a run to what was measured.
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
from benchmarks.solo_trial import Found, Trial
from core.data.datasets import Arrays
from core.protocol.contracts import Budget, SearchConfig, Training, TrainOrder
from core.search import defaults
from core.tasks import TASKS

TASK = "image-classification"
CLOCKS: Mapping[str, Callable[[], float]] = {"cpu": time.process_time, "wall": time.monotonic}

Contender = Callable[[Run], Record]


def search(
    run: Run,
    carry_out: Callable[[Solo], Found] = Solo.run,
    *,
    adjust: Callable[[TrainOrder], TrainOrder] | None = None,
    with_curve: bool = False,
    **changes: Any,
) -> Record:
    """A search with the defaults but for `changes` of its configuration.

    `carry_out` searches by other rules, `adjust` changes every order. The curve is that of the
    test error of what would be exported at any time; to find it costs none of the budget.
    """
    arrays, spec = data_sets.load(run.dataset)
    config = SearchConfig(**{"budget": Budget(seconds=run.seconds), "seed": run.seed} | changes)
    more: dict[str, Any] = {} if adjust is None else {"adjust": adjust}
    began = CLOCKS[run.clock]()
    with solo.temporary_folder() as folder:
        prepared = Solo(
            config=config, spec=spec, name=run.dataset, arrays=arrays, folder=folder,
            clock=CLOCKS[run.clock], threads=run.threads, **more,
        )  # fmt: skip
        found = carry_out(prepared)
        used = CLOCKS[run.clock]() - began
        curve = incumbents.curve(prepared) if with_curve else None
    record = _of_search(found, arrays) | {"used": round(used, 2)}
    return record if curve is None else record | {"curve": curve}


def netmorph(run: Run) -> Record:
    """A search with the defaults."""
    return search(run)


def ensemble(run: Run) -> Record:
    """A search that exports an ensemble of its three best networks."""
    return search(run, training=Training(ensemble=3))


def drawn(name: str) -> Contender:
    """The hand-made network of that name, by Netmorph's trainer for the whole of the time."""
    return lambda run: search(run, lambda alone: alone.fit_alone(hand_made(alone.spec)[name]))


def plain(run: Run) -> Record:
    """The first hand-made network, by a loop as tutorials have it."""
    arrays, spec = data_sets.load(run.dataset)
    name, architecture = next(iter(hand_made(spec).items()))
    clock = CLOCKS[run.clock]
    began = clock()
    torch.set_num_threads(run.threads)
    config = SearchConfig(budget=Budget(seconds=run.seconds))
    limit = defaults.final_hyperparameters(config, spec, elapsed=0.0).max_seconds
    accuracy = plain_loop.train_plainly(
        architecture, arrays, spec, seconds=limit or run.seconds, seed=run.seed, clock=clock
    )
    return tested(accuracy, len(arrays.y_test)) | {
        "network": name,
        "parameters": architecture.parameters,
        "used": round(clock() - began, 2),
    }


def _of_search(found: Found, arrays: Arrays) -> Record:
    final = found.final
    test = None if final is None or final.result is None else final.result.test
    if test is None:
        reason = found.reason or (final.result.reason if final and final.result else "no final fit")
        return _failed(reason, arrays) | {"seconds_of_search": round(found.seconds, 2)}
    assert final is not None
    share = found.compute_in_winner
    return tested(test.metric, test.examples) | {
        "parameters": final.result.parameters if final.result else None,
        "layers": len(final.architecture.nodes),
        "compute_in_winner": None if share is None else round(share, 4),
        "seconds_of_search": round(found.seconds, 2),
        "trials": [_line(trial) for trial in found.trials],
    }


def _line(trial: Trial) -> Record:
    """What a record tells of a trial."""
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


def tested(accuracy: float, examples: int) -> Record:
    """What a record tells of a test."""
    return {
        "error": round(100 * (1 - accuracy), 4),  # %
        "se": round(100 * TASKS[TASK]().value_std(accuracy, examples), 4),  # from their number
        "test_examples": examples,
    }


def _failed(reason: str, arrays: Arrays) -> Record:
    """Without a network the most frequent class is the prediction."""
    counts = np.bincount(arrays.y_train)
    guess = float((arrays.y_test == counts.argmax()).mean())
    return tested(guess, len(arrays.y_test)) | {"failure": reason or "no reason given"}


def of(name: str) -> Contender:
    """A contender of `outcome` by name."""
    known: dict[str, Contender] = {"netmorph": netmorph, "ensemble": ensemble, "plain": plain}
    return known.get(name) or drawn(name)
