"""Optuna or NePS behind JSON lines; runs in their own environments, made by `nas_peers.py`.

`python asked_peer.py optuna|neps SEED SPACE`: SPACE is JSON, see `space.py`. Each line of standard
input is `{"ask": true}`, answered by a choice and its id, or `{"tell": ID, "error": E}`. Every
answer has `cpu`, the CPU seconds of this process since its first question.
"""

import json
import sys
import time
from abc import ABC, abstractmethod

Choice = dict[str, object]


class Peer(ABC):
    """An optimiser that is asked for choices and told their errors."""

    @abstractmethod
    def ask(self) -> tuple[object, Choice]:
        """An id and a choice."""

    @abstractmethod
    def tell(self, number: object, error: float) -> None:
        """The validation error of a choice."""


class Optuna(Peer):
    """Optuna's default sampler (TPE), multivariate as the space is conditional."""

    def __init__(self, seed: int, space: list[dict]) -> None:
        import optuna  # noqa: PLC0415 (each environment has one of the peers)

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._space = space
        self._study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=seed))

    def ask(self) -> tuple[object, Choice]:
        trial = self._study.ask()
        choice: Choice = {}
        for one in self._space:
            if "only" not in one or choice.get(one["only"][0]) == one["only"][1]:
                choice[one["name"]] = self._suggest(trial, one)
        return trial.number, choice

    def tell(self, number: object, error: float) -> None:
        self._study.tell(number, error)

    @staticmethod
    def _suggest(trial, one: dict) -> object:
        name, log = one["name"], one.get("log", False)
        if one["kind"] == "choice":
            return trial.suggest_categorical(name, one["choices"])
        if one["kind"] == "int":
            return trial.suggest_int(name, one["low"], one["high"], log=log)
        return trial.suggest_float(name, one["low"], one["high"], log=log)


class Neps(Peer):
    """NePS' default optimiser; choices that do not exist are ignored by who asks."""

    def __init__(self, seed: int, space: list[dict]) -> None:
        import random  # noqa: PLC0415

        import neps  # noqa: PLC0415
        import numpy as np  # noqa: PLC0415
        import torch  # noqa: PLC0415

        random.seed(seed)
        np.random.seed(seed)
        torch.manual_seed(seed)
        torch.set_num_threads(1)
        parameters = {one["name"]: self._parameter(neps, one) for one in space}
        made = type("Space", (neps.PipelineSpace,), parameters)()
        self._optimiser = neps.AskAndTell(neps.algorithms.bayesian_optimization(made))

    def ask(self) -> tuple[object, Choice]:
        trial = self._optimiser.ask()
        return trial.metadata.id, dict(trial.config)

    def tell(self, number: object, error: float) -> None:
        self._optimiser.tell(number, {"objective_to_minimize": error})

    @staticmethod
    def _parameter(neps, one: dict) -> object:
        if one["kind"] == "choice":
            return neps.Categorical(tuple(one["choices"]))
        kind = neps.Integer if one["kind"] == "int" else neps.Float
        return kind(one["low"], one["high"], log=one.get("log", False))


PEERS = {"optuna": Optuna, "neps": Neps}


def main(name: str, seed: int, space: list[dict]) -> None:
    """Answer until the input ends."""
    peer, began = PEERS[name](seed, space), time.process_time()
    for line in sys.stdin:
        said = json.loads(line)
        answer: dict[str, object] = {}
        if "tell" in said:
            peer.tell(said["tell"], said["error"])
        else:
            answer["id"], answer["choice"] = peer.ask()
        print(json.dumps(answer | {"cpu": time.process_time() - began}), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), json.loads(sys.argv[3]))
