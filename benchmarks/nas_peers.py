"""Netmorph beside other tools for the same CPU seconds on the same data.

`python -m benchmarks.nas_peers [--seconds 300] [--seeds 3] [--datasets NAME ...]`: Optuna and NePS
over a conditional space of convolutional networks (`space.py`), trained by Netmorph's trainer with
its recipe, half of the time for the search, the rest for the best network from fresh weights on all
training examples; and AutoKeras with the torch backend, which trains by itself. Each tool has an
environment of its own, `.venv-peers-NAME`, which is made where it is missing (but for `--quick`).
Records are appended to `--out`; runs that are there are not repeated.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from benchmarks import comparison, contenders, data_sets, experiment, reporting, space
from benchmarks.environments import ROOT, CannotInstall, Environment
from benchmarks.records import Record, Run
from benchmarks.solo import Solo
from benchmarks.solo_trial import Found, Trial
from core.protocol.contracts import Hyperparameters
from core.protocol.states import SearchStatus, TrialKind
from core.search import defaults

DATASETS = ("fashion-1000", "emoji", "mnist1d")
REFERENCE = "netmorph"
QUICK = {"datasets": ["digits"], "seconds": 10.0, "seeds": 1, "jobs": 2}
SEARCH_SHARE, TRIALS = 0.5, 12  # of the budget; so many trials in it
FAILED = 1.0  # the error of a network that cannot be trained

ENVIRONMENTS: Mapping[str, Environment] = {
    "optuna": Environment(ROOT / ".venv-peers-optuna", ("optuna==5.0.0",)),
    "neps": Environment(
        ROOT / ".venv-peers-neps", ("neural-pipeline-search==0.17.0", "torch==2.13.0")
    ),
    "autokeras": Environment(ROOT / ".venv-peers-autokeras", ("autokeras==3.0.0", "torch==2.13.0")),
}
ASKED = ("optuna", "neps")
ASKED_SHIM = ROOT / "benchmarks" / "asked_peer.py"
AUTOKERAS_SHIM = ROOT / "benchmarks" / "autokeras_peer.py"
IMAGES_ONLY = ("autokeras",)


class PeerFailed(Exception):
    """A peer ended by an error, which the message has."""


class Asked:
    """A peer process that is asked for choices; its CPU seconds count."""

    def __init__(self, name: str, seed: int, choices: space.Space) -> None:
        command = [str(ENVIRONMENTS[name].python), str(ASKED_SHIM), name, str(seed)]
        self._process = subprocess.Popen(
            [*command, json.dumps(choices)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        self.seconds = 0.0  # of the last answers' CPU time

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.kill()
        self._process.communicate()

    def ask(self) -> tuple[Any, space.Choice]:
        """An id and a choice."""
        answer = self._answer({"ask": True})
        return answer["id"], answer["choice"]

    def tell(self, number: Any, error: float) -> None:
        """The validation error of a choice."""
        self._answer({"tell": number, "error": error})

    def _answer(self, question: Mapping[str, Any]) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(question) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            _, said = self._process.communicate()
            raise PeerFailed(f"the peer ended: {said.strip()[-1_500:]}")
        answer: dict[str, Any] = json.loads(line)
        self.seconds = answer["cpu"]
        return answer


def by_asking(name: str, search: Solo) -> Found:
    """A search in which a peer chooses the networks and Netmorph trains them."""
    seconds = search.config.budget.seconds
    assert seconds is not None
    known: dict[int, space.Choice] = {}
    with Asked(name, search.config.seed, space.space(search.spec)) as peer:
        while not known or search.now < SEARCH_SHARE * seconds:
            before = peer.seconds
            number, choice = peer.ask()
            search.now += peer.seconds - before
            trial = search.train(_trial(search, choice, SEARCH_SHARE * seconds / TRIALS))
            known[trial.number] = choice
            before = peer.seconds
            peer.tell(number, FAILED if trial.value is None else 1 - trial.value)
            search.now += peer.seconds - before
    valued = [trial for trial in search.trials if trial.value is not None]
    if not valued:
        search.status, search.reason = SearchStatus.FAILED, "no network has a value"
        return search.found()
    best = max(valued, key=lambda trial: trial.value or 0.0)
    end = max(defaults.END_SECONDS, defaults.END_SHARE * seconds)
    final = _trial(search, known[best.number], seconds - end - search.now)
    final.kind = TrialKind.FINAL
    search.train(final)
    search.status = SearchStatus.COMPLETED
    return search.found()


def _trial(search: Solo, choice: space.Choice, seconds: float) -> Trial:
    usual: Hyperparameters = defaults.final_hyperparameters(search.config, search.spec, elapsed=0.0)
    chosen = usual.model_copy(update={"max_seconds": max(1.0, seconds)})
    return Trial(
        number=len(search.trials),
        architecture=space.architecture(choice, search.spec),
        hyperparameters=space.hyperparameters(choice, chosen),
    )


def autokeras(run: Run) -> Record:
    """AutoKeras' image classifier in its own process, timed by its own CPU seconds."""
    arrays, _ = data_sets.load(run.dataset)
    with tempfile.TemporaryDirectory(prefix="netmorph-") as folder:
        np.savez(
            Path(folder) / "data.npz", x_train=arrays.x_train, y_train=arrays.y_train,
            x_test=arrays.x_test, y_test=arrays.y_test,
        )  # fmt: skip
        command = [str(ENVIRONMENTS["autokeras"].python), str(AUTOKERAS_SHIM), folder]
        done = subprocess.run(
            [*command, str(run.seconds), str(run.seed)],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
    if done.returncode:
        raise PeerFailed(f"AutoKeras failed: {done.stderr.strip()[-1_500:]}")
    told = json.loads(done.stdout.splitlines()[-1])
    facts = {name: told[name] for name in ("used", "parameters", "trials_made")}
    return contenders.tested(told["accuracy"], len(arrays.y_test)) | facts


def carry_out(run: Run) -> Record:
    """One run."""
    if run.contender == "netmorph":
        return contenders.search(run, with_curve=True)
    if run.contender in ASKED:
        return contenders.search(
            run, lambda search: by_asking(run.contender, search), with_curve=True
        )
    return autokeras(run)


def measure(options: argparse.Namespace) -> reporting.Result:
    """Carry out what is missing; errors by data set and tool."""
    if options.quick:
        vars(options).update(QUICK)
    names = [name for name in ENVIRONMENTS if not options.no_peers and _is_there(name, options)]
    runs = [
        run
        for run in experiment.paired([REFERENCE, *names], options, DATASETS)
        if run.contender not in IMAGES_ONLY or _has_images(run.dataset)
    ]
    found = experiment.records_of(runs, "benchmarks.nas_peers", options)
    return comparison.report(found, REFERENCE, options, "Other tools")


def _has_images(name: str) -> bool:
    return len(data_sets.load(name)[1].input_shape) == 3


def _is_there(name: str, options: argparse.Namespace) -> bool:
    """Whether a tool's environment is there, now that it was made where it may be."""
    environment = ENVIRONMENTS[name]
    try:
        if not options.quick and not options.summary:
            environment.install()
    except CannotInstall as error:
        print(f"no {name}: {error}", file=sys.stderr)
    return environment.is_ready or options.summary


def main() -> None:
    """Measure and print."""
    reporting.run(measure, experiment.parser(__doc__, seconds=300.0, seeds=3).parse_args())


if __name__ == "__main__":
    main()
