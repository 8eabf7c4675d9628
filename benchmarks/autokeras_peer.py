"""AutoKeras' image classifier within CPU seconds; runs in its own environment, see `nas_peers.py`.

`python autokeras_peer.py FOLDER SECONDS SEED`: reads `FOLDER/data.npz`, prints one JSON line. Half
of the time is for the search, of which one trial may take a third, the rest for the final fit. A
trial that wants weights from a server fails, which AutoKeras counts and passes over.
"""

import json
import os
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


class Deadline(keras.callbacks.Callback):
    """Ends a training when its time is up."""

    def __init__(self, at: float) -> None:
        super().__init__()
        self._at = at

    def on_train_batch_end(self, batch: int, logs: object = None) -> None:
        if time.process_time() > self._at:
            self.model.stop_training = True


class Timed:
    """Trainings that keep to their share of the time, in place of AutoKeras' own."""

    def __init__(self, seconds: float) -> None:
        self._fit, self._began = utils.fit_with_adaptive_batch_size, time.process_time()
        self._seconds = seconds
        self.oracle = None  # of the tuner
        self.made = 0

    def __call__(self, model: keras.Model, **options: object) -> object:
        now = time.process_time()
        # The final fit has its whole share, however long the search took.
        end = now + (1 - SEARCH_SHARE - END_SHARE) * self._seconds
        searched = self._began + SEARCH_SHARE * self._seconds
        if "validation_data" in options and options["validation_data"] is not None:
            self.made += 1
            end = min(searched, now + TRIAL_SHARE * SEARCH_SHARE * self._seconds)
        callbacks = [*(options.pop("callbacks", None) or []), Deadline(end)]
        fitted = self._fit(model, callbacks=callbacks, **options)
        if time.process_time() >= searched:
            self.oracle.max_trials = 0  # no more trials
        return fitted

    @property
    def used(self) -> float:
        """CPU seconds."""
        return time.process_time() - self._began


def channels_last(x: np.ndarray) -> np.ndarray:
    """(N, C, H, W) -> (N, H, W, C)"""
    return np.ascontiguousarray(np.moveaxis(x, 1, -1))


def main(folder: Path, seconds: float, seed: int) -> None:
    """Search, fit and test."""
    torch.set_num_threads(1)
    keras.utils.set_random_seed(seed)
    with np.load(folder / "data.npz") as found:
        data = {name: found[name] for name in found.files}
    timed = utils.fit_with_adaptive_batch_size = Timed(seconds)
    classifier = autokeras.ImageClassifier(
        directory=folder, max_trials=MANY, overwrite=True, seed=seed
    )
    timed.oracle = classifier.tuner.oracle
    timed.oracle.max_consecutive_failed_trials = MANY
    order = np.random.default_rng(seed).permutation(len(data["y_train"]))  # it validates on the end
    classifier.fit(channels_last(data["x_train"])[order], data["y_train"][order], verbose=0)
    model = classifier.export_model()
    _, accuracy = classifier.evaluate(channels_last(data["x_test"]), data["y_test"], verbose=0)
    told = {
        "accuracy": float(accuracy), "parameters": int(model.count_params()),
        "trials_made": timed.made, "used": round(timed.used, 2),
    }  # fmt: skip
    print(json.dumps(told))


if __name__ == "__main__":
    main(Path(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3]))
