"""Examples that stay in their file are trained on as those in memory are, bit for bit."""

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import torch

from worker.trainer.data import memory
from worker.trainer.data.examples import Examples
from worker.trainer.data.normalisation import Normalisation

CPU = torch.device("cpu")


@pytest.mark.parametrize("shape", [(2, 12, 10), (3, 20), (5,)])
@pytest.mark.parametrize("augmentation", ["none", "shift-flip", "affine-warp"])
def test_batches_from_a_file_are_those_from_memory(
    shape: tuple[int, ...], augmentation: str, tmp_path: Path
) -> None:
    rng = np.random.default_rng(0)
    np.save(tmp_path / "x.npy", rng.integers(0, 255, (30, *shape), np.uint8))
    x, y = np.load(tmp_path / "x.npy", mmap_mode="r"), rng.integers(0, 3, 30)
    indices = np.flatnonzero(rng.random(30) < 0.7)

    def batches(*, stay_in_file: bool) -> list[torch.Tensor]:
        examples = Examples(
            x, y, Normalisation.of(x, indices), CPU, indices=indices, erasing=0.3,
            augmentation=augmentation, stay_in_file=stay_in_file,
        )  # fmt: skip
        generator = torch.Generator().manual_seed(1)
        found = [*examples.training_batches(7, generator), *examples.batches(8)]
        return [torch.from_numpy(examples.some(5)), *(part for pair in found for part in pair)]

    for kept, read in zip(batches(stay_in_file=False), batches(stay_in_file=True), strict=True):
        torch.testing.assert_close(read, kept, rtol=0, atol=0)


def test_examples_in_a_file_are_not_copied(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.zeros((2_000, 3, 32, 32), np.uint8))
    x, y = np.load(tmp_path / "x.npy", mmap_mode="r"), np.arange(2_000) % 3
    tracemalloc.start()
    examples = Examples(x, y, Normalisation.of(x), CPU, indices=np.arange(1_900), stay_in_file=True)
    for _ in examples.batches(50):
        pass
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert peak < 0.5 * x.nbytes  # most of it is a block of the statistics


def test_a_limit_of_the_process_counts_as_its_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    all_memory = memory.memory_of(CPU)
    monkeypatch.setattr(memory.resource, "getrlimit", lambda kind: (all_memory // 2, -1))

    assert memory.memory_of(CPU) == all_memory // 2
    assert memory.fits(all_memory // 8, CPU)
    assert not memory.fits(all_memory // 8 + 1, CPU)
