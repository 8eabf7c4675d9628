"""The built-in data sets: digits from scikit-learn, fashion-mnist from a Debian package."""

import gzip
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.data.datasets import Arrays, stratified_test_split
from core.errors import InvalidDataset

FASHION_FOLDER = Path("/usr/share/datasets/fashion-mnist")
_SPLIT_SEED = 20181  # fixed: the test split of digits is the same everywhere


@dataclass(frozen=True, slots=True)
class Builtin:
    """A data set that searches can name without an upload."""

    load: Callable[[], Arrays]
    flip: bool  # whether a mirrored example still has its label


def _digits() -> Arrays:
    """1,797 handwritten digits of 8 × 8 pixels (Alpaydin & Kaynak 1998), from scikit-learn."""
    from sklearn.datasets import load_digits  # noqa: PLC0415 (a slow import, needed once)

    bunch = load_digits()
    x = bunch.images.astype(np.uint8)[:, None]  # 0 … 16
    y = bunch.target.astype(np.int64)
    train, test = stratified_test_split(y, 0.2, _SPLIT_SEED)
    return Arrays(x[train], y[train], x[test], y[test], tuple("0123456789"), layout="NHW")


def _fashion_mnist() -> Arrays:
    """70,000 images of clothes of 28 × 28 pixels (Xiao, Rasul & Vollgraf, arXiv:1708.07747)."""
    parts = {
        name: _idx(FASHION_FOLDER / f"{name}-ubyte.gz", axes)
        for name, axes in (
            ("train-images-idx3", 3),
            ("train-labels-idx1", 1),
            ("t10k-images-idx3", 3),
            ("t10k-labels-idx1", 1),
        )
    }
    return Arrays(
        parts["train-images-idx3"][:, None],
        parts["train-labels-idx1"].astype(np.int64),
        parts["t10k-images-idx3"][:, None],
        parts["t10k-labels-idx1"].astype(np.int64),
        ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat",
         "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
        layout="NHW",
    )  # fmt: skip


def _idx(path: Path, axes: int) -> NDArray[Any]:
    """The array of a gzipped IDX file of bytes with this many axes."""
    try:
        data = gzip.decompress(path.read_bytes())
    except FileNotFoundError:
        raise InvalidDataset(
            f"the file {path.name} of fashion-mnist is missing; "
            "install the Debian package dataset-fashion-mnist on the machine of the API"
        ) from None
    except (OSError, EOFError, zlib.error) as error:
        raise InvalidDataset(f"the file {path.name} cannot be read: {error}") from error
    offset = 4 + 4 * axes
    shape = tuple(int.from_bytes(data[at : at + 4]) for at in range(4, offset, 4))
    if data[:4] != bytes([0, 0, 8, axes]) or len(data) != offset + prod(shape):
        raise InvalidDataset(f"{path.name} is not an IDX file of bytes with {axes} axes")
    return np.frombuffer(data, np.uint8, offset=offset).reshape(shape)


BUILTINS = {
    "digits": Builtin(_digits, flip=False),
    "fashion-mnist": Builtin(_fashion_mnist, flip=True),
}
