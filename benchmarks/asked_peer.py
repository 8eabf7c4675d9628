"""Optuna or NePS behind JSON lines; runs in the peer's environment, made by `nas_peers.py`.

`python asked_peer.py optuna|neps SEED SPACE`: SPACE is JSON, see `space.py`. Each line of standard
input is `{"ask": true}`, which is answered with a choice and its id, or `{"tell": ID, "error": E}`.
Every answer has `cpu`, the CPU seconds of this process since it began to answer.
"""

import json
import sys
import time
from abc import ABC, abstractmethod

Choice = dict[str, object]


class Peer(ABC):
    """An optimiser that suggests choices and learns from their errors."""

    @abstractmethod
    def suggest(self) -> tuple[object, Choice]:
        """The id of a new choice, and the choice."""

    @abstractmethod
    def report(self, number: object, error: float) -> None:
        """Report the validation error of a choice."""


class Optuna(Peer):
    """Optuna's default sampler (TPE), over a conditional space."""

    def __init__(self, seed: int, space: list[dict]) -> None:
        import optuna  # noqa: PLC0415 (each environment has parameter of the peers)

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._space = space
        self._study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=seed))

    def suggest(self) -> tuple[object, Choice]:
        trial = self._study.ask()
        choice: Choice = {}
        for parameter in self._space:
            if "only" not in parameter or choice.get(parameter["only"][0]) == parameter["only"][1]:
                choice[parameter["name"]] = self._suggest_value(trial, parameter)
        return trial.number, choice

    def report(self, number: object, error: float) -> None:
        self._study.tell(number, error)

    @staticmethod
    def _suggest_value(trial, parameter: dict) -> object:
        name, log = parameter["name"], parameter.get("log", False)
        if parameter["kind"] == "choice":
            return trial.suggest_categorical(name, parameter["choices"])
        if parameter["kind"] == "int":
            return trial.suggest_int(name, parameter["low"], parameter["high"], log=log)
        return trial.suggest_float(name, parameter["low"], parameter["high"], log=log)


class Neps(Peer):
    """NePS' default optimiser; the caller ignores choices whose condition is not met."""

    def __init__(self, seed: int, space: list[dict]) -> None:
        import random  # noqa: PLC0415

        import neps  # noqa: PLC0415
        import numpy as np  # noqa: PLC0415
        import torch  # noqa: PLC0415

        random.seed(seed)
        np.random.seed(seed)
        torch.manual_seed(seed)
        torch.set_num_threads(1)
        parameters = {parameter["name"]: self._parameter(neps, parameter) for parameter in space}
        pipeline_space = type("Space", (neps.PipelineSpace,), parameters)()
        self._optimiser = neps.AskAndTell(neps.algorithms.bayesian_optimization(pipeline_space))

    def suggest(self) -> tuple[object, Choice]:
        trial = self._optimiser.ask()
        return trial.metadata.id, dict(trial.config)

    def report(self, number: object, error: float) -> None:
        self._optimiser.tell(number, {"objective_to_minimize": error})

    @staticmethod
    def _parameter(neps, parameter: dict) -> object:
        if parameter["kind"] == "choice":
            return neps.Categorical(tuple(parameter["choices"]))
        kind = neps.Integer if parameter["kind"] == "int" else neps.Float
        return kind(parameter["low"], parameter["high"], log=parameter.get("log", False))


PEERS = {"optuna": Optuna, "neps": Neps}


def main(name: str, seed: int, space: list[dict]) -> None:
    """Answer requests until the input ends."""
    peer, began = PEERS[name](seed, space), time.process_time()
    for line in sys.stdin:
        request = json.loads(line)
        answer: dict[str, object] = {}
        if "tell" in request:
            peer.report(request["tell"], request["error"])
        else:
            answer["id"], answer["choice"] = peer.suggest()
        print(json.dumps(answer | {"cpu": time.process_time() - began}), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), json.loads(sys.argv[3]))
