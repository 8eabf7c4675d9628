"""Compares Netmorph with other tools for the same CPU seconds on the same data.

`python -m benchmarks.nas_peers [--seconds 300] [--seeds 3] [--datasets NAME ...]`: Optuna and NePS
over a conditional space of convolutional networks (`space.py`), trained by Netmorph's trainer with
its recipe: half of the time is for the search, the rest for the best network, from new weights on
all training examples; and AutoKeras with the torch backend, which trains its networks itself. Each
tool has its own environment, `.venv-peers-NAME`, which is made where it is missing (except with
`--quick`). Records are appended to `--out`; runs that have a record are not repeated.
"""

import argparse
import json
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

import numpy as np

from benchmarks import contenders, data_sets, experiment, reporting, space
from benchmarks.comparison import Comparison
from benchmarks.environments import ROOT, CannotInstall, Environment
from benchmarks.records import Record, Run
from benchmarks.solo import Solo
from benchmarks.solo_trial import SearchOutcome, Trial
from core.protocol.contracts.hyperparameters import Hyperparameters
from core.protocol.states import SearchStatus, TrialKind
from core.search import pace, trial_training

REFERENCE = "netmorph"
SEARCH_SHARE, TRIALS = 0.5, 12  # share of the budget; number of trials in it
FAILED = 1.0  # the error of a network that cannot be trained

ENVIRONMENTS: Mapping[str, Environment] = {
    "optuna": Environment(ROOT / ".venv-peers-optuna", ("optuna==5.0.0",)),
    "neps": Environment(
        ROOT / ".venv-peers-neps", ("neural-pipeline-search==0.17.0", "torch==2.13.0")
    ),
    "autokeras": Environment(
        ROOT / ".venv-peers-autokeras",
        ("autokeras==3.0.0", "keras==3.11.3", "torch==2.13.0", "six==1.17.0"),
    ),
}
SUGGESTING = ("optuna", "neps")
SUGGESTING_SHIM = ROOT / "benchmarks" / "asked_peer.py"
AUTOKERAS_SHIM = ROOT / "benchmarks" / "autokeras_peer.py"
IMAGES_ONLY = ("autokeras",)


class PeerFailed(Exception):
    """A peer ended with an error; the message contains it."""


class PeerProcess:
    """A peer process that suggests choices; its CPU seconds count."""

    def __init__(self, name: str, seed: int, choices: space.Space) -> None:
        command = [str(ENVIRONMENTS[name].python), str(SUGGESTING_SHIM), name, str(seed)]
        self._process = subprocess.Popen(
            [*command, json.dumps(choices)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        self.seconds = 0.0  # of CPU time, as of the last answer

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()

    def suggest(self) -> tuple[Any, space.Choice]:
        """The id of a new choice, and the choice."""
        answer = self._request({"ask": True})
        return answer["id"], answer["choice"]

    def report(self, number: Any, error: float) -> None:
        """Report the validation error of a choice."""
        self._request({"tell": number, "error": error})

    def _request(self, request: Mapping[str, Any]) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            _, stderr = self._process.communicate()
            raise PeerFailed(f"the peer ended without an answer: {stderr.strip()[-1_500:]}")
        answer: dict[str, Any] = json.loads(line)
        self.seconds = answer["cpu"]
        return answer


def search_with_peer(name: str, search: Solo) -> SearchOutcome:
    """Carry out a search in which a peer chooses the networks and Netmorph trains them."""
    seconds = search.config.budget.seconds
    assert seconds is not None
    choices: dict[int, space.Choice] = {}
    with PeerProcess(name, search.config.seed, space.space(search.spec)) as peer:
        while not choices or search.now < SEARCH_SHARE * seconds:
            before = peer.seconds
            number, choice = peer.suggest()
            search.now += peer.seconds - before
            trial = search.train(_trial(search, choice, SEARCH_SHARE * seconds / TRIALS))
            choices[trial.number] = choice
            before = peer.seconds
            peer.report(number, FAILED if trial.value is None else 1 - trial.value)
            search.now += peer.seconds - before
    valued = [trial for trial in search.trials if trial.value is not None]
    if not valued:
        search.status, search.reason = SearchStatus.FAILED, "no network has a value"
        return search.outcome()
    best = max(valued, key=lambda trial: trial.value or 0.0)
    end = max(pace.END_SECONDS, pace.END_SHARE * seconds)
    final = _trial(search, choices[best.number], seconds - end - search.now)
    final.kind = TrialKind.FINAL
    search.train(final)
    search.status = SearchStatus.COMPLETED
    return search.outcome()


def _trial(search: Solo, choice: space.Choice, seconds: float) -> Trial:
    defaults_of_fit: Hyperparameters = trial_training.final_hyperparameters(
        search.config, search.spec, elapsed=0.0
    )
    hyperparameters = defaults_of_fit.model_copy(update={"max_seconds": max(1.0, seconds)})
    return Trial(
        number=len(search.trials),
        architecture=space.architecture(choice, search.spec),
        hyperparameters=space.hyperparameters(choice, hyperparameters),
    )


def autokeras(run: Run) -> Record:
    """Run AutoKeras' image classifier in its own process, timed by its own CPU seconds."""
    arrays, _ = data_sets.load(run.dataset)
    with tempfile.TemporaryDirectory(prefix="netmorph-") as folder:
        np.savez(
            Path(folder) / "data.npz", x_train=arrays.x_train, y_train=arrays.y_train,
            x_test=arrays.x_test, y_test=arrays.y_test,
        )  # fmt: skip
        command = [str(ENVIRONMENTS["autokeras"].python), str(AUTOKERAS_SHIM), folder]
        process = subprocess.run(
            [*command, str(run.seconds), str(run.seed)],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
    if process.returncode in (-signal.SIGXCPU, -signal.SIGKILL):
        raise PeerFailed(f"AutoKeras did not end within some times its {run.seconds:.0f} s")
    if process.returncode:
        raise PeerFailed(f"AutoKeras failed: {process.stderr.strip()[-1_500:]}")
    result = json.loads(process.stdout.splitlines()[-1])
    facts = {name: result[name] for name in ("used", "parameters", "trials_made")}
    return contenders.test_facts(result["accuracy"], len(arrays.y_test)) | facts


def carry_out(run: Run) -> Record:
    """Carry out one run."""
    if run.contender == "netmorph":
        return contenders.search(run, with_curve=True)
    if run.contender in SUGGESTING:
        return contenders.search(
            run,
            lambda search: search_with_peer(run.contender, search),
            with_curve=True,
            training=contenders.ONE_NETWORK,
        )
    return autokeras(run)


def measure(options: argparse.Namespace) -> reporting.Result:
    """Carry out the missing runs and return the errors by data set and tool."""
    names = [name for name in ENVIRONMENTS if not options.no_peers and _is_usable(name, options)]
    comparison = Comparison(
        module="benchmarks.nas_peers",
        title="Other tools",
        reference=REFERENCE,
        contenders=[REFERENCE, *names],
        applies=lambda run: run.contender not in IMAGES_ONLY or _has_images(run.dataset),
    )
    return comparison.measure(options)


def _has_images(name: str) -> bool:
    return len(data_sets.load(name)[1].input_shape) == 3


def _is_usable(name: str, options: argparse.Namespace) -> bool:
    """Install a tool's environment unless the run is quick; whether the tool can be used."""
    environment = ENVIRONMENTS[name]
    try:
        if not options.quick and not options.summary:
            environment.install()
    except CannotInstall as error:
        print(f"{name} is left out: {error}", file=sys.stderr)
    return environment.is_ready or options.summary


def main() -> None:
    """Parse the options, measure and print."""
    reporting.run(measure, experiment.parser(__doc__, seconds=300.0, seeds=3).parse_args())


if __name__ == "__main__":
    main()
