"""More data than a worker has memory is trained on."""

import subprocess
import sys
from pathlib import Path

import pytest

#: A process of its own, as its limit cannot be taken back. RLIMIT_DATA counts anonymous memory, and
#: not files that are mapped, whose pages the kernel may drop.
PROGRAM = """
import re, resource, sys
from pathlib import Path

import numpy as np
import torch

from core.data.datasets import Arrays, spec, write
from core.graph.building import chain
from core.layers import Dense, Flatten, Input, Output
from core.protocol.storage import Storage
from tests.worker.orders import order_for
from tests.worker.trainer.running import run
from worker.trainer.environment import TrainingEnvironment

folder, examples, share = Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
storage = Storage((folder / "storage").as_uri())
torch.set_num_threads(1)
place = TrainingEnvironment(storage=storage, cache=folder, device=torch.device("cpu"), threads=1)
network = chain(iter([Input((3, 64, 64)), Flatten(), Dense(4), Output()]))


def order(n):
    x = np.memmap(folder / "x", np.uint8, "w+", shape=(n, 3, 64, 64))
    y = np.arange(n) % 4
    for start in range(0, n, 1000):
        part = slice(start, start + 1000)
        noise = np.random.default_rng(start).integers(0, 30, x[part].shape, np.uint8)
        x[part] = noise + 60 * y[part, None, None, None].astype(np.uint8)
    arrays = Arrays(x, y, x[: n // 10], y[: n // 10], ("a", "b", "c", "d"))
    write(arrays, folder / "stored")
    blob = storage.put_file("datasets", folder / "stored", "safetensors")
    small = order_for(
        storage,
        hyperparameters={
            "epochs": 1, "batch_size": 64, "augmentation": "shift-flip", "learning_rate": 1e-4
        },
    )
    return small.model_copy(
        update={
            "dataset": blob,
            "dataset_spec": spec(arrays, flip=False),
            "architecture": network.to_json(),
        }
    )


run(order(4_000), place)  # loads and allocates what any training needs, evaluation in batches too
large = order(examples)
used = re.search(r"VmData:\\s+(\\d+)", Path("/proc/self/status").read_text())
limit = int(used[1]) * 1024 + int(share * examples * 3 * 64 * 64)
resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
result = run(large, place)[0]
print(result.status.value, result.value)
"""


def trained(folder: Path, examples: int, share: float) -> None:
    """Train on this many images of 12 KiB, with a limit of this share of their size."""
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM, folder, str(examples), str(share)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr
    status, value = ended.stdout.split()[-2:]
    assert status == "completed"
    assert float(value) > 0.4  # 0.25 by chance


@pytest.mark.slow
def test_a_worker_trains_on_several_times_its_memory(tmp_path: Path) -> None:
    """1 GB with 300 MB more than a training on 50 MB leaves allocated."""
    trained(tmp_path, 80_000, 0.3)
