"""Where orders are run in tests: a folder for storage, and the CPU."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from core.protocol.storage import Storage
from worker.trainer.environment import TrainingEnvironment


@pytest.fixture
def storage(storage_url: str) -> Storage:
    return Storage(storage_url)


@pytest.fixture
def environment(storage: Storage, tmp_path: Path) -> Iterator[TrainingEnvironment]:
    """The CPU with two threads; afterwards the process has as many threads as before."""
    threads = torch.get_num_threads()
    yield TrainingEnvironment(
        storage=storage,
        cache=tmp_path / "cache",
        device=torch.device("cpu"),
        threads=2,
        wait=lambda seconds: None,
    )
    torch.set_num_threads(threads)
