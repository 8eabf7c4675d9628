"""Batches: which examples they hold, how these are changed, and that a seed decides it."""

import itertools
import math

import numpy as np
import pytest
import torch

from worker.trainer.data.examples import Examples, largest_shift, tensor_of
from worker.trainer.data.normalisation import Normalisation

CPU = torch.device("cpu")
PLAIN = Normalisation((0.0,), (1.0,))


def numbered(count, shape=(1, 12, 12)):
    """Examples of which all values differ and none is zero."""
    return 1 + np.arange(count * math.prod(shape), dtype=np.float32).reshape(count, *shape)


def examples(x, normalisation=PLAIN, **options):
    """Labelled by their indices, so that a batch shows which examples it holds."""
    return Examples(x, np.arange(len(x)), normalisation, CPU, **options)


def epoch(data, size, seed=0):
    """All batches of one epoch as (x, y) arrays."""
    batches = data.training_batches(size, torch.Generator().manual_seed(seed))
    return [(x.numpy(), y.numpy()) for x, y in batches]


def moves(image, largest, *, flip):
    """Each image that augmentation may make from this one, by (rows, columns, mirrored)."""
    padded = np.pad(image, ((0, 0), (largest, largest), (largest, largest)))
    _, height, width = image.shape
    steps = range(2 * largest + 1)
    for row, column, mirrored in itertools.product(steps, steps, (False, True)[: 1 + flip]):
        moved = padded[:, row : row + height, column : column + width]
        yield (row, column, mirrored), moved[:, :, ::-1] if mirrored else moved


def move_of(found, image, largest, *, flip):
    """The shift and flip that make `found` of the image; None where none does."""
    for move, moved in moves(image, largest, flip=flip):
        if np.array_equal(found, moved):
            return move
    return None


@pytest.mark.parametrize("augmentation", ["shift-flip", "affine-flip"])
def test_batches_are_augmented_as_long_as_they_are_asked_to_be(augmentation):
    x = numbered(20)
    changes = {"augmentation": augmentation, "erasing": 0.4}
    answers = iter([True, True, False, False])
    batches = examples(x, **changes).training_batches(
        5, torch.Generator().manual_seed(0), lambda: next(answers)
    )
    same = [np.array_equal(found, x[y]) for found, y in batches]
    assert same == [False, False, True, True]


@pytest.mark.parametrize("augmentation", ["none", "shift", "shift-flip"])
@pytest.mark.parametrize(("shape", "dtype"), [((3, 9, 7), np.float32), ((1, 8, 8), np.uint8)])
def test_an_epoch_holds_each_example_once_as_float_images(shape, dtype, augmentation):
    x = np.ones((20, *shape), dtype)
    batches = epoch(examples(x, augmentation=augmentation), 5)
    assert [batch.shape for batch, _ in batches] == [(5, *shape)] * 4
    assert {batch.dtype for batch, _ in batches} == {np.dtype(np.float32)}
    assert sorted(np.concatenate([y for _, y in batches])) == list(range(20))


def test_an_incomplete_batch_is_left_out_and_a_small_set_is_one_batch():
    assert [len(y) for _, y in epoch(examples(numbered(11)), 4)] == [4, 4]
    assert [len(y) for _, y in epoch(examples(numbered(3)), 64)] == [3]


@pytest.mark.parametrize("shape", [(1, 12, 12), (3, 8, 10), (5,)])
def test_without_augmentation_examples_come_with_their_labels_unchanged(shape):
    x = numbered(12, shape)
    for batch, y in epoch(examples(x), 4):
        np.testing.assert_array_equal(batch, x[y])


@pytest.mark.parametrize(("augmentation", "flip"), [("shift", False), ("shift-flip", True)])
def test_augmented_images_are_shifted_and_mirrored_only_where_flips_are_allowed(augmentation, flip):
    x = numbered(300, (2, 24, 20))
    found = set()
    for batch, y in epoch(examples(x, augmentation=augmentation), 50):
        for image, index in zip(batch, y, strict=True):
            found.add(move_of(image, x[index], 2, flip=flip))
    assert None not in found
    assert {row for row, _, _ in found} == set(range(5))
    assert {column for _, column, _ in found} == set(range(5))
    assert {mirrored for _, _, mirrored in found} == ({False, True} if flip else {False})


@pytest.mark.parametrize(
    ("shape", "pixels"),
    [((1, 8, 8), 1), ((1, 28, 28), 2), ((3, 32, 96), 3), ((64,), 0), ((3, 7, 20), 0)],
)
def test_images_are_shifted_by_a_twelfth_of_their_side(shape, pixels):
    assert largest_shift(shape) == pixels


@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 1, 40), (3, 7, 7)])
def test_tiny_images_are_not_shifted(shape):
    x = numbered(60, shape)
    for batch, y in epoch(examples(x, augmentation="shift"), 20):
        np.testing.assert_array_equal(batch, x[y])


@pytest.mark.parametrize("augmentation", ["none", "shift-flip"])
@pytest.mark.parametrize(("shape", "erasing", "side"), [((2, 12, 10), 0.3, 3), ((1, 9, 9), 1.0, 9)])
def test_a_square_of_each_image_is_set_to_the_mean(shape, erasing, side, augmentation):
    """Normalisation makes the mean zero; nothing else in these images is zero."""
    x = 100 + numbered(200, shape)
    data = examples(
        x,
        Normalisation((-7.0,) * shape[0], (2.0,) * shape[0]),
        augmentation=augmentation,
        erasing=erasing,
    )
    corners = set()
    for batch, _ in epoch(data, 50):
        for image in batch:
            erased = (image == 0).all(axis=0)
            assert ((image == 0).any(axis=0) == erased).all()
            rows, columns = np.flatnonzero(erased.any(axis=1)), np.flatnonzero(erased.any(axis=0))
            assert erased.sum() == side**2 == len(rows) * len(columns)
            corners.add((rows[0], columns[0]))
    firsts = [set(range(length - side + 1)) for length in shape[1:]]
    assert [{corner[axis] for corner in corners} for axis in (0, 1)] == firsts


def test_evaluation_erases_nothing_and_vectors_have_nothing_to_erase():
    x = numbered(10)
    for batch, y in [*examples(x, erasing=0.5).batches(5)]:
        np.testing.assert_array_equal(batch.numpy(), x[y.numpy()])
    x = numbered(10, (6,))
    for batch, y in epoch(examples(x, erasing=0.5), 5):
        np.testing.assert_array_equal(batch, x[y])


@pytest.mark.parametrize("augmentation", ["none", "shift-flip"])
def test_the_seed_alone_decides_order_and_augmentation(augmentation):
    x = numbered(40)

    def batches(seed, other):
        torch.manual_seed(other)
        return np.concatenate(
            [b for b, _ in epoch(examples(x, augmentation=augmentation), 8, seed)]
        )

    np.testing.assert_array_equal(batches(1, other=1), batches(1, other=2))
    assert (batches(1, other=1) != batches(2, other=1)).any()


def test_epochs_of_one_generator_differ():
    generator = torch.Generator().manual_seed(0)
    data = examples(numbered(40))
    first, second = ([y.tolist() for _, y in data.training_batches(40, generator)] for _ in "12")
    assert first != second


@pytest.mark.parametrize("augmentation", ["none", "shift-flip"])
def test_evaluation_sees_all_examples_in_order_and_as_they_are(augmentation):
    x = numbered(10, (2, 12, 9))
    batches = list(examples(x, augmentation=augmentation).batches(4))
    assert [len(y) for _, y in batches] == [4, 4, 2]
    np.testing.assert_array_equal(torch.cat([b for b, _ in batches]).numpy(), x)
    assert torch.cat([y for _, y in batches]).tolist() == list(range(10))


@pytest.mark.parametrize("shape", [(3, 5, 4), (3, 9), (6,)])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_normalised_examples_have_mean_zero_and_deviation_one_in_each_channel(shape, dtype):
    rng = np.random.default_rng(0)
    scales = rng.uniform(5, 60, size=(1, shape[0], *[1] * (len(shape) - 1)))
    x = (100 + scales * rng.uniform(-1, 1, size=(500, *shape))).astype(dtype)
    data = examples(x, Normalisation.of(x))
    (batch, _), *_ = data.batches(500)
    axes = tuple(axis for axis in range(x.ndim) if axis != 1)
    np.testing.assert_allclose(batch.numpy().mean(axis=axes), 0, atol=1e-4)
    np.testing.assert_allclose(batch.numpy().std(axis=axes), 1, atol=1e-4)


def test_a_constant_channel_keeps_its_scale():
    x = np.full((10, 2, 4, 4), 7, np.uint8)
    x[:, 1] = np.arange(16).reshape(4, 4)
    normalisation = Normalisation.of(x)
    assert normalisation.std[0] == 1.0
    (batch, _), *_ = examples(x, normalisation).batches(10)
    assert batch[:, 0].abs().max() == 0
    assert batch.isfinite().all()


def test_statistics_of_many_bytes_are_exact():
    x = np.full((1000, 1, 40, 40), 200, np.uint8)
    x[::2] = 100
    assert Normalisation.of(x) == Normalisation((150.0,), (50.0,))


@pytest.mark.parametrize("augmentation", ["none", "shift", "affine", "warp"])
@pytest.mark.parametrize("shape", [(2, 9, 12), (2, 24)])
@pytest.mark.parametrize(("scale", "offset"), [(1e-13, 0), (1e-60, 0), (1, 1e8), (1e30, 1e8)])
def test_the_scale_of_the_data_changes_no_batch(scale, offset, shape, augmentation):
    plain = np.random.default_rng(0).normal(size=(30, *shape))
    batches = []
    for x in (plain + min(offset, 1e6), (plain + offset) * scale):  # zero is far outside, or inside
        data = examples(x, Normalisation.of(x), augmentation=augmentation, erasing=0.2)
        batches.append(epoch(data, 30)[0][0])
    np.testing.assert_allclose(batches[1], batches[0], atol=1e-5)
    assert batches[0].std() == pytest.approx(1, abs=0.4)


@pytest.mark.parametrize("std", [1e-3, 1e-2])
def test_float32_values_with_a_large_offset_keep_their_differences(std):
    x = (1e4 + std * np.random.default_rng(0).normal(size=(200, 1, 8, 8))).astype(np.float32)
    normalisation = Normalisation.of(x)
    assert normalisation.in_float64
    (batch, _), *_ = examples(x, normalisation).batches(200)
    assert float(batch.mean()) == pytest.approx(0, abs=1e-5)
    assert float(batch.numpy().std()) == pytest.approx(1, abs=1e-5)


def test_constant_channels_are_zero():
    x = np.random.default_rng(0).normal(size=(20, 14)).astype(np.float32)
    x[:, :12] = 0.1
    x[:, 12] = 1e20 * (1 + np.arange(20) % 2 * np.finfo(np.float32).eps)
    normalisation = Normalisation.of(x)
    assert normalisation.constant == tuple(range(13))
    (batch, _), *_ = examples(x, normalisation).batches(20)
    assert batch[:, :13].abs().max() < 1e-6


def test_beyond_the_border_of_an_image_it_is_black_or_as_dark_as_the_darkest():
    black = Normalisation((10.0, 230.0, -50.0, 7.0), (20.0, 10.0, 1.0, 1.0), constant=(3,)).black
    assert black == (0.0, 200.0, -47.0, 7.0)
    x = np.full((20, 1, 12, 12), 230, np.uint8)
    batch, _ = epoch(examples(x, Normalisation((230.0,), (10.0,)), augmentation="shift"), 20)[0]
    assert set(np.unique(batch).tolist()) == {-3.0, 0.0}


@pytest.mark.parametrize("augmentation", ["shift", "affine", "warp"])
@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 1, 16), (2, 3, 3), (1, 7, 40), (1, 3), (2, 7)])
def test_nothing_is_moved_bent_or_erased_in_small_examples(shape, augmentation):
    x = numbered(60, shape)
    for batch, y in epoch(examples(x, augmentation=augmentation, erasing=0.9), 20):
        np.testing.assert_array_equal(batch, x[y])


def test_small_images_are_mirrored_where_flips_are_allowed():
    x = numbered(60, (1, 3, 3))
    for augmentation in ("affine-flip", "shift-flip", "flip"):
        for batch, y in epoch(examples(x, augmentation=augmentation), 60):
            mirrored = (batch == x[y][..., ::-1]).all(axis=(1, 2, 3))
            assert ((batch == x[y]).all(axis=(1, 2, 3)) != mirrored).all()
            assert 10 < mirrored.sum() < 50


def test_batches_of_images_with_one_channel_have_the_strides_of_their_shape():
    """Of a channels-last file of grey images, which torch would compute in another way."""
    x = np.moveaxis(numbered(9, (5, 6, 1)), 3, 1)
    for batch, _ in examples(x).batches(4):
        assert batch.stride() == (30, 30, 6, 1)


def test_batches_of_images_have_the_requested_memory_format():
    for data in (
        examples(numbered(8, (3, 6, 6)), augmentation="shift", channels_last=True),
        examples(numbered(8, (3, 6, 6)), channels_last=True),
    ):
        batches = [*data.training_batches(4, torch.Generator()), *data.batches(4)]
        assert all(x.is_contiguous(memory_format=torch.channels_last) for x, _ in batches)
    batches = examples(numbered(8, (6,)), channels_last=True).batches(4)  # a vector has one format
    assert all(x.is_contiguous() for x, _ in batches)


@pytest.fixture
def every_warning():
    """torch warns every time, not once in a process."""
    torch.set_warn_always(True)
    yield
    torch.set_warn_always(False)


@pytest.mark.usefixtures("every_warning")
@pytest.mark.parametrize("augmentation", ["none", "shift-flip"])
def test_a_mapped_file_is_read_without_a_copy_or_a_change(tmp_path, augmentation):
    x = numbered(20)
    np.save(tmp_path / "x.npy", x)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    y = np.arange(20)
    y.flags.writeable = False
    data = Examples(mapped, y, Normalisation.of(mapped), CPU, augmentation=augmentation)
    assert len(epoch(data, 5)) == len(list(data.batches(5))) == 4
    np.testing.assert_array_equal(mapped, x)
    assert tensor_of(mapped).data_ptr() == mapped.ctypes.data


def test_an_array_with_transposed_axes_is_copied():
    x = numbered(4, (3, 5, 2)).transpose(0, 3, 1, 2)
    np.testing.assert_array_equal(tensor_of(x).numpy(), x)


@pytest.mark.parametrize("augmentation", ["none", "shift-flip"])
def test_some_examples_come_from_the_entire_set_normalised_but_not_augmented(augmentation):
    x = numbered(20)
    some = examples(x, Normalisation((5.0,), (2.0,)), augmentation=augmentation).some(4)
    assert some.dtype == np.float32
    np.testing.assert_allclose(some, (x[[0, 6, 12, 19]] - 5) / 2, rtol=1e-6)
    assert len(examples(x, augmentation=augmentation).some(50)) == 20
