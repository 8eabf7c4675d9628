"""Data larger than memory, imported and trained on: `python -m benchmarks.large_data FOLDER`.

The folder needs room for four times the data. Images are written to it, imported as by the service,
and trained on as by a worker, each in a process whose anonymous memory is limited. A line for each
step has its time, its processor time and the most anonymous memory of its process up to then.
"""

import argparse
import os
import re
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from numpy.lib import format as npy

from core.data import intake
from core.data.datasets import decode, write
from core.data.files import ReadLimits
from core.protocol.contracts.blobs import BlobRef
from core.protocol.contracts.datasets import DatasetSpec
from core.protocol.storage import Storage
from netmorph import uploads
from worker.trainer.data.examples import Examples
from worker.trainer.data.memory import fits
from worker.trainer.data.normalisation import Normalisation

CPU = torch.device("cpu")
CLASSES, SIDE, BLOCK = 10, 56, 2000
BATCH, STEPS = 64, 200


def make(folder: Path, size: float) -> None:
    """Write images (N, side, side, 3) of about this many bytes, and their labels."""
    rng = np.random.default_rng(0)
    count = max(1, round(size / (3 * SIDE**2 * BLOCK))) * BLOCK
    y = rng.integers(0, CLASSES, count)
    marks = rng.integers(0, 60, (CLASSES, SIDE, SIDE, 3), np.uint8)
    folder.mkdir(parents=True)
    np.save(folder / "y.npy", y)
    with (folder / "x.npy").open("wb") as file:
        shape = (count, SIDE, SIDE, 3)
        npy.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": shape})
        for start in range(0, count, BLOCK):
            noise = rng.integers(0, 128, (BLOCK, *shape[1:]), np.uint8)
            file.write((noise + marks[y[start : start + BLOCK]]).data)


def anonymous() -> int:
    """The anonymous memory of this process, in MiB."""
    found = re.search(r"RssAnon:\s+(\d+)", Path("/proc/self/status").read_text())
    assert found is not None
    return int(found[1]) // 1024


@contextmanager
def measured() -> Iterator[Callable[[str], None]]:
    """A function that prints what a step took since the last one."""
    peak, ended, last = [0], threading.Event(), [time.monotonic(), time.process_time()]

    def watch() -> None:
        while not ended.wait(0.1):
            peak[0] = max(peak[0], anonymous())

    def report(step: str) -> None:
        now = [time.monotonic(), time.process_time()]
        wall, cpu = (b - a for a, b in zip(last, now, strict=True))
        print(f"{step:28}{wall:8.1f} s {cpu:8.1f} s of CPU {max(peak[0], anonymous()):6} MiB")
        last[:] = now

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield report
    finally:
        ended.set()
        thread.join()


def import_data(folder: Path, report: Callable[[str], None]) -> None:
    """Import the images as the service does; leave the names of what was stored."""
    storage = Storage((folder / "storage").as_uri())
    with uploads.packed(folder / "images") as packed:
        report("pack the folder")
        limits = ReadLimits.of_uploads(packed.stat().st_size)
        with packed.open("rb") as file:
            found = intake.read(file, limits)
    report("read, divide and describe")
    with storage.draft("datasets", "safetensors") as draft:
        write(found.arrays, draft)
        blob = storage.put_file("datasets", draft, "safetensors")
    report("store")
    (folder / "blob.json").write_text(blob.model_dump_json())
    (folder / "spec.json").write_text(found.spec.model_dump_json())


def train(folder: Path, report: Callable[[str], None]) -> None:
    """Train some steps of a small network on the images, as a worker reads them."""
    storage = Storage((folder / "storage").as_uri())
    blob = BlobRef.model_validate_json((folder / "blob.json").read_text())
    spec = DatasetSpec.model_validate_json((folder / "spec.json").read_text())
    arrays = decode(storage.local_path(blob, folder))
    report("check and map the file")
    normalisation = Normalisation.of(arrays.x_train)
    report("statistics of the channels")
    training = Examples(
        arrays.x_train, arrays.y_train, normalisation, CPU, augmentation="shift-flip",
        stay_in_file=not fits(arrays.x_train.nbytes + arrays.x_test.nbytes, CPU),
    )  # fmt: skip
    channels = spec.input_shape[0]
    network = torch.nn.Sequential(
        torch.nn.Conv2d(channels, 8, 3, stride=2), torch.nn.ReLU(), torch.nn.AdaptiveAvgPool2d(8),
        torch.nn.Flatten(), torch.nn.Linear(8 * 8 * 8, spec.outputs),
    )  # fmt: skip
    optimiser = torch.optim.Adam(network.parameters(), 1e-2)
    batches = training.training_batches(BATCH, torch.Generator().manual_seed(0))
    for number, (x, y) in enumerate(islice(batches, STEPS)):
        optimiser.zero_grad()
        torch.nn.functional.cross_entropy(network(x), y).backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        if number == 0:
            report("first step")
    report(f"{STEPS - 1} more steps")


STAGES = {"import": import_data, "train": train}


def main() -> None:
    """Make the data and run each stage in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="a new folder, on a disk")
    parser.add_argument("--gigabytes", type=float, default=10.0)
    parser.add_argument("--limit", type=float, default=4.0, help="of the memory, in GiB")
    parser.add_argument("--stage", choices=STAGES, help="only this one, on data that is there")
    options = parser.parse_args()
    if options.stage:
        limit = int(options.limit * 2**30)
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
        with measured() as report:
            STAGES[options.stage](options.folder, report)
        return
    make(options.folder / "images", 1e9 * options.gigabytes)
    (options.folder / "tmp").mkdir()
    for stage in STAGES:
        command = [sys.executable, "-m", "benchmarks.large_data", options.folder]
        more = ["--stage", stage, "--limit", str(options.limit)]
        environment = os.environ | {"TMPDIR": str(options.folder / "tmp")}
        subprocess.run([*command, *more], check=True, env=environment)


if __name__ == "__main__":
    main()
