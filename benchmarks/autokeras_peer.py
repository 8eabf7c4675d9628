"""AutoKeras' image classifier with a budget of CPU seconds; runs in the peer's environment.

`python autokeras_peer.py FOLDER SECONDS SEED`: reads `FOLDER/data.npz`, prints one JSON line;
`nas_peers.py` makes the environment. Half of the time is for the search, of which one trial may
take a third; the rest is for the final fit. A trial that would download weights fails; AutoKeras
counts the failure and continues. With the torch backend it computes a network's output for all
examples at once before it trains it, without a look at the clock: the process ends where it has
used `MOST` times its seconds.
"""

import json
import os
import resource
import sys
import time
from pathlib import Path

os.environ["KERAS_BACKEND"] = "torch"

import autokeras
import keras
import numpy as np
import torch
from autokeras.utils import utils

SEARCH_SHARE, TRIAL_SHARE = 0.5, 1 / 3
END_SHARE = 0.05  # for testing
MANY = 1_000_000
MOST = 3  # CPU seconds, in those of the budget


class Deadline(keras.callbacks.Callback):
    """Stops a training when its time is up."""

    def __init__(self, at: float) -> None:
        super().__init__()
        self._at = at

    def on_train_batch_end(self, batch: int, logs: object = None) -> None:
        if time.process_time() > self._at:
            self.model.stop_training = True


class TimedFit:
    """Replaces AutoKeras' fit function by one that stops each training after its share of time."""

    def __init__(self, seconds: float) -> None:
        self._fit, self._began = utils.fit_with_adaptive_batch_size, time.process_time()
        self._seconds = seconds
        self.oracle = None  # the tuner's; set once the classifier exists
        self.trials_made = 0

    def __call__(self, model: keras.Model, **options: object) -> object:
        now = time.process_time()
        # The final fit has its full share, however long the search took.
        end = now + (1 - SEARCH_SHARE - END_SHARE) * self._seconds
        search_end = self._began + SEARCH_SHARE * self._seconds
        if "validation_data" in options and options["validation_data"] is not None:
            self.trials_made += 1
            end = min(search_end, now + TRIAL_SHARE * SEARCH_SHARE * self._seconds)
        callbacks = [*(options.pop("callbacks", None) or []), Deadline(end)]
        fitted = self._fit(model, callbacks=callbacks, **options)
        if time.process_time() >= search_end:
            self.oracle.max_trials = 0  # no more trials
        return fitted

    @property
    def used(self) -> float:
        """CPU seconds used until now."""
        return time.process_time() - self._began


def channels_last(x: np.ndarray) -> np.ndarray:
    """(N, C, H, W) -> (N, H, W, C)"""
    return np.ascontiguousarray(np.moveaxis(x, 1, -1))


def main(folder: Path, seconds: float, seed: int) -> None:
    """Search, fit, test and print the result."""
    limit = int(MOST * seconds)
    resource.setrlimit(resource.RLIMIT_CPU, (limit, limit))
    torch.set_num_threads(1)
    keras.utils.set_random_seed(seed)
    with np.load(folder / "data.npz") as file:
        data = {name: file[name] for name in file.files}
    timed = utils.fit_with_adaptive_batch_size = TimedFit(seconds)
    classifier = autokeras.ImageClassifier(
        directory=folder, max_trials=MANY, overwrite=True, seed=seed
    )
    timed.oracle = classifier.tuner.oracle
    timed.oracle.max_consecutive_failed_trials = MANY
    order = np.random.default_rng(seed).permutation(
        len(data["y_train"])
    )  # it validates on the last ones
    classifier.fit(channels_last(data["x_train"])[order], data["y_train"][order], verbose=0)
    model = classifier.export_model()
    _, accuracy = classifier.evaluate(channels_last(data["x_test"]), data["y_test"], verbose=0)
    result = {
        "accuracy": float(accuracy), "parameters": int(model.count_params()),
        "trials_made": timed.trials_made, "used": round(timed.used, 2),
    }  # fmt: skip
    print(json.dumps(result))


if __name__ == "__main__":
    main(Path(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3]))
