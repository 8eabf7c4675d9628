"""The examples of jobs are prepared once for all trials of a search."""

import dataclasses
import tracemalloc

import numpy as np
import pytest
import torch

from core.protocol.states import TrialKind
from core.protocol.storage import Storage
from tests.worker.orders import arrays, order_for
from worker.trainer.job_data import DataReader
from worker.trainer.networks.compute import Compute
from worker.trainer.train_job import TrainJob

PLAIN = Compute(torch.device("cpu"))


@pytest.fixture
def read(storage, tmp_path):
    reader = DataReader()
    return lambda order, compute=PLAIN: reader.read(TrainJob.of(order), storage, tmp_path, compute)


def test_trials_of_a_search_share_their_examples(read, storage):
    data = arrays()
    first = read(order_for(storage, data, number=1, seed=1))
    assert read(order_for(storage, data, number=2, seed=9)) is first


@pytest.mark.parametrize(
    "change",
    [
        {"hyperparameters": {"split_seed": 5}},
        {"hyperparameters": {"validation_fraction": 0.3}},
        {"hyperparameters": {"augmentation": "shift"}},
        {"hyperparameters": {"erasing": 0.3}},
        {"kind": TrialKind.FINAL},
    ],
)
def test_an_order_for_other_examples_has_them_read_again(read, storage, change):
    data = arrays()
    first = read(order_for(storage, data))
    assert read(order_for(storage, data, **change)) is not first


def test_another_layout_or_data_set_has_them_read_again(read, storage):
    data = arrays()
    first = read(order_for(storage, data))
    last = read(order_for(storage, data), dataclasses.replace(PLAIN, channels_last=True))
    assert last is not first
    other = read(order_for(storage, arrays(seed=3)))
    x, y = next(iter(other.test.batches(30)))
    x_before, _ = next(iter(first.test.batches(30)))
    assert len(y) == 30
    assert not np.array_equal(x.numpy(), x_before.numpy())


@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.float64])
@pytest.mark.parametrize("kind", sorted({*TrialKind} - {TrialKind.EXPORT}))
def test_reading_a_data_set_takes_no_more_than_its_memory(storage, tmp_path, dtype, kind):
    """A copy for training: the others stay in the file, statistics and checks take blocks."""
    x = np.random.default_rng(0).integers(0, 99, (900, 1, 32, 32)).astype(dtype)
    data = dataclasses.replace(arrays(), x_train=x, y_train=np.arange(900) % 3, x_test=x[:3])
    data = dataclasses.replace(data, y_test=np.arange(3))
    job = TrainJob.of(order_for(storage, data, kind=kind))
    tracemalloc.start()
    DataReader().read(job, storage, tmp_path, PLAIN)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1.15 * x.nbytes + 2e6


def test_channels_that_cannot_be_learned_from_are_logged(read, storage, caplog):
    x = arrays().x_train.repeat(2, axis=1)
    x[:, 1] = 7
    data = dataclasses.replace(arrays(), x_train=x, x_test=x[:30])
    read(order_for(storage, data))
    assert caplog.messages == [
        "data set columns: channel 1 of 2, counted from 0, cannot be learned from: the same value "
        "in all training examples"
    ]
    caplog.clear()
    read(order_for(storage, arrays()))
    assert caplog.messages == []


class Stopped(Exception):
    """The reading is to stop."""


def test_a_reading_that_is_stopped_anywhere_ends_with_the_same_examples(storage, tmp_path):
    """Each try is stopped a few blocks later: all places are passed."""
    rng = np.random.default_rng(0)
    plain = arrays(train=300)
    x = rng.normal(size=(330, 1, 64, 64)).astype(np.float32)
    data = dataclasses.replace(plain, x_train=x[:300], x_test=x[300:])
    job = TrainJob.of(order_for(storage, data))
    expected = DataReader().read(job, storage, tmp_path, PLAIN)
    reader, fresh = DataReader(), Storage(storage.url)
    calls = []

    def read(most):
        calls.append(0)

        def on_block():
            calls[-1] += 1
            if calls[-1] > most:
                raise Stopped

        return reader.read(job, fresh, tmp_path, PLAIN, on_block)

    for most in range(2, 500, 5):
        try:
            found = read(most)
        except Stopped:
            continue
        break
    assert len(calls) > 5
    assert found.normalisation == expected.normalisation
    for ours, theirs in zip(found.training.batches(16), expected.training.batches(16), strict=True):
        assert torch.equal(ours[0], theirs[0])


def test_a_final_fit_computes_no_statistics_again(storage, tmp_path):
    """Its inherited weights mean the same under the statistics of the search trials."""
    data, reader = arrays(train=300), DataReader()
    reader.read(TrainJob.of(order_for(storage, data)), storage, tmp_path, PLAIN)
    before = reader._statistics
    final = order_for(storage, data, kind=TrialKind.FINAL)
    parent = {"parent_weights": final.dataset, "parent_architecture": final.architecture}
    job = TrainJob.of(final.model_copy(update=parent))

    assert job.continues_parent
    reader.read(job, storage, tmp_path, PLAIN)

    assert reader._statistics is before
