"""Augmented examples keep their shape and range, and a seed decides how they change."""

import numpy as np
import pytest
import torch

from worker.trainer.data.augmentation import affine, warp
from worker.trainer.data.examples import Examples, Normalisation


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def images(n: int = 64, side: int = 16) -> torch.Tensor:
    """Black images with a white square in the middle."""
    x = torch.zeros(n, 2, side, side)
    x[:, :, side // 4 : -side // 4, side // 4 : -side // 4] = 255.0
    return x


def test_an_affine_map_moves_every_image_and_keeps_most_of_its_content():
    x = images()
    moved = affine(x, flip=False, generator=seeded())
    assert moved.shape == x.shape
    assert moved.min() >= 0
    assert moved.max() <= 255.01
    assert (moved != x).flatten(1).any(dim=1).all()
    share = moved.sum(dim=(1, 2, 3)) / x.sum(dim=(1, 2, 3))
    assert share.min() > 0.7
    assert share.max() < 1.4


def test_affine_maps_are_small():
    """The middle of an image is still the middle, within a twelfth of its side and a pixel."""
    x = torch.zeros(200, 1, 24, 24)
    x[:, :, 11:13, 11:13] = 255.0
    moved = affine(x, flip=True, generator=seeded(3))[:, 0]
    at = torch.arange(24) - 11.5
    mass = moved.sum(dim=(1, 2))
    for weights in (at[:, None], at[None, :]):
        offset = (moved * weights).sum(dim=(1, 2)) / mass
        assert offset.abs().max() <= 24 / 12 * 1.35 + 1  # moved before it is scaled and turned
        assert offset.abs().mean() > 0.3


@pytest.mark.parametrize("shape", [(8, 200), (200, 8)])
def test_an_affine_map_keeps_the_ends_of_long_images_visible(shape):
    x = torch.ones(300, 1, *shape)
    moved = affine(x, flip=False, generator=seeded())
    long_axis = 2 + shape.index(200)
    profile = moved.movedim(long_axis, 1).flatten(2).amax(dim=2)  # (n, 200)
    assert profile[:, 30:-30].min() > 0.9


def test_affine_maps_mirror_half_of_the_images_where_flips_are_allowed():
    x = torch.zeros(400, 1, 16, 16)
    x[..., :6] = 255.0  # bright on the left
    left = affine(x, flip=True, generator=seeded())[..., :8].mean(dim=(1, 2, 3)) > 100
    assert 0.4 < left.float().mean() < 0.6
    assert (affine(x, flip=False, generator=seeded())[..., :8].mean(dim=(1, 2, 3)) > 100).all()


def test_a_warped_signal_is_the_signal_at_other_times():
    """A ramp stays a ramp: its slope is the stretch of time, its middle the shift."""
    times = torch.linspace(-1, 1, 101).repeat(300, 1, 1)
    x = torch.sigmoid(4 * times)
    moved = warp(x, seeded())
    assert moved.shape == x.shape
    assert (moved.diff(dim=2) >= -1e-6).all()  # time still runs forward
    assert moved.max() <= 1.11
    assert moved.min() >= 0
    crossing = ((moved - 0.5).abs().argmin(dim=2).float() - 50) / 101
    assert 0.05 < crossing.abs().max() < 0.2
    assert (moved != x).flatten(1).any(dim=1).all()


@pytest.mark.parametrize("change", ["affine", "warp"])
def test_a_seed_gives_the_same_changes(change):
    x = torch.rand(8, 3, 20, 20) if change == "affine" else torch.rand(8, 3, 40)

    def changed(seed: int) -> torch.Tensor:
        return affine(x, True, seeded(seed)) if change == "affine" else warp(x, seeded(seed))

    assert torch.equal(changed(1), changed(1))
    assert not torch.equal(changed(1), changed(2))


@pytest.mark.parametrize(
    ("shape", "augmentation"),
    [((3, 12, 20), "affine-flip"), ((1, 9, 9), "affine"), ((2, 50), "warp"), ((7,), "warp")],
)
def test_batches_of_any_kind_keep_their_shape(shape, augmentation):
    rng = np.random.default_rng(0)
    x = rng.random((10, *shape), dtype=np.float32)
    examples = Examples(
        x, np.arange(10), Normalisation.of(x), torch.device("cpu"), augmentation=augmentation
    )
    ((batch, labels),) = examples.training_batches(10, seeded())
    assert batch.shape == x.shape
    assert batch.isfinite().all()
    plain = Examples(x, np.arange(10), Normalisation.of(x), torch.device("cpu"))
    ((clean, _),) = plain.batches(10)
    assert torch.equal(batch, clean[labels]) == (len(shape) == 1)  # a vector has nothing to warp
    ((seen, _),) = examples.batches(10)
    assert torch.equal(seen, clean)  # validation examples are never changed


def test_a_stretch_of_each_signal_is_erased():
    x = np.ones((50, 2, 40), dtype=np.float32)
    x[:, :, ::2] = 3.0
    examples = Examples(
        x, np.zeros(50, dtype=np.int64), Normalisation((0.0, 0.0), (1.0, 1.0)),
        torch.device("cpu"), erasing=0.25,
    )  # fmt: skip
    ((batch, _),) = examples.training_batches(50, seeded())
    erased = (batch == 0).all(dim=1)
    assert (erased.sum(dim=1) == 10).all()
    firsts = erased.float().argmax(dim=1)
    assert torch.equal(erased.sum(dim=1), erased.flip(1).float().argmax(dim=1) * -1 + 40 - firsts)
    assert len(firsts.unique()) > 5
