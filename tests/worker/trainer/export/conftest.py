"""The export of one small final fit, shared by all tests of this folder."""

import io
import zipfile

import pytest
import torch

from core.protocol.states import TrialKind
from core.protocol.storage import Storage
from tests.worker.orders import order_for
from tests.worker.trainer.export.history import HISTORY
from tests.worker.trainer.running import run
from worker.trainer.environment import TrainingEnvironment
from worker.trainer.train_job import TrainJob


@pytest.fixture(scope="session")
def ended_and_archive(tmp_path_factory):
    """How a final fit ended, and the bytes of its export."""
    folder = tmp_path_factory.mktemp("final")
    storage = Storage((folder / "storage").as_uri())
    order = order_for(storage, hyperparameters={"epochs": 6}, kind=TrialKind.FINAL, history=HISTORY)
    environment = TrainingEnvironment(
        storage=storage, cache=folder, device=torch.device("cpu"), threads=1
    )
    threads = torch.get_num_threads()
    ended, again = (run(order, environment)[0] for _ in "12")
    torch.set_num_threads(threads)
    assert ended.export == again.export  # equal networks, equal bytes
    return ended, storage.get(ended.export)


@pytest.fixture(scope="session")
def ended(ended_and_archive):
    return ended_and_archive[0]


@pytest.fixture(scope="session")
def folder(ended_and_archive, tmp_path_factory):
    """The export, unpacked."""
    unpacked = tmp_path_factory.mktemp("export")
    with zipfile.ZipFile(io.BytesIO(ended_and_archive[1])) as archive:
        archive.extractall(unpacked)
    return unpacked


@pytest.fixture(scope="session")
def job(tmp_path_factory):
    """A job without a history."""
    return TrainJob.of(order_for(Storage(tmp_path_factory.mktemp("orders").as_uri())))
