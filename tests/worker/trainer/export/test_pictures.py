"""The exported program prepares pictures exactly as the intake prepared those for training."""

import io
import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.data import intake
from core.data.files import ReadLimits
from core.protocol.contracts.datasets import DatasetSpec
from worker.trainer.export import predict


def colour(number: int, height: int, width: int) -> Image.Image:
    rng = np.random.default_rng((number, height, width))
    return Image.fromarray(rng.integers(0, 255, (height, width, 3), np.uint8))


def half_transparent(number: int, height: int, width: int) -> Image.Image:
    image = colour(number, height, width).convert("RGBA")
    rng = np.random.default_rng((number, height, width, 1))
    image.putalpha(Image.fromarray(rng.integers(0, 255, (height, width), np.uint8)))
    return image


def deep(number: int, height: int, width: int) -> Image.Image:
    rng = np.random.default_rng((number, height, width))
    return Image.fromarray(rng.integers(0, 65_535, (height, width), np.uint16))


def of_many_kinds(number: int, height: int, width: int) -> Image.Image:
    """A picture whose mode depends on its number."""
    return [
        colour(number, height, width),
        colour(number, height, width).convert("L"),
        colour(number, height, width).quantize(9),
        deep(number, height, width),
        colour(number, height, width).convert("RGBA"),
    ][number % 5]


def of_either_depth(number: int, height: int, width: int) -> Image.Image:
    return deep(number, height, width) if number % 2 else colour(number, height, width).convert("L")


def transparent_once(number: int, height: int, width: int) -> Image.Image:
    if number:
        return of_many_kinds(number, height, width)
    return half_transparent(number, height, width)


KINDS: dict[str, Callable[[int, int, int], Image.Image]] = {
    "grey": lambda *size: colour(*size).convert("L"),
    "colour": colour,
    "transparent": half_transparent,
    "grey of sixteen bits": of_either_depth,
    "mixed": of_many_kinds,
    "mixed and transparent": transparent_once,
}


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    return tmp_path / "pictures"


def model_of(folder: Path, exported: Path, spec: DatasetSpec) -> predict.Model:
    """A model that expects pictures as a data set has them; its network is another."""
    shutil.copytree(exported, folder)
    path = folder / "preprocess.json"
    changes = {"input_shape": list(spec.input_shape), "image_mode": spec.image_mode}
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    return predict.Model(folder)


@pytest.mark.parametrize("sizes", [[(6, 5)], [(6, 5), (9, 4), (7, 7)]])
@pytest.mark.parametrize("kind", KINDS)
def test_pictures_are_prepared_as_for_training(
    kind: str, sizes: list[tuple[int, int]], pictures: Path, folder: Path, tmp_path: Path
) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for number in range(12):
            path = pictures / f"class {number % 2}" / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            KINDS[kind](number, *sizes[number % len(sizes)]).save(path)
            archive.write(path, path.relative_to(pictures))
    found = intake.read(packed, ReadLimits())

    source = predict.Reader(model_of(tmp_path / "model", folder, found.spec)).source(pictures)
    read = source.read(0, source.count).astype(found.spec.dtype)

    stored = np.concatenate([found.arrays.x_train, found.arrays.x_test])
    assert read.shape == stored.shape
    assert sorted(x.tobytes() for x in read) == sorted(x.tobytes() for x in stored)
