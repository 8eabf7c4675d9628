"""A worker's identity and its GPU, both held by a locked file.

A worker holds its locks (flock) as long as it lives; the system frees them however it ends. So
workers that share the folder (replicas on one host) never share a GPU or an identity.
"""

import fcntl
import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal
from uuid import UUID, uuid4

from core.errors import NetmorphError

_LISTED = re.compile(r"^\s*(?P<kind>GPU|MIG) (?P<name>.*) \(UUID: (?P<uuid>[^)\s]+)\)")
_LIST_SECONDS = 30.0  # for nvidia-smi, which may have to start the driver


class NoFreeGpu(NetmorphError):
    """Every GPU of this host has a worker: start at most one worker per GPU."""


@dataclass(frozen=True, slots=True)
class Gpu:
    """One GPU, or one partition of a GPU (MIG)."""

    id: str  # as CUDA_VISIBLE_DEVICES takes it: a UUID, or an index in PCI order
    name: str

    @property
    def environment(self) -> dict[str, str]:
        """The variables with which a process sees only this GPU."""
        return {"CUDA_VISIBLE_DEVICES": self.id, "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}


@dataclass(frozen=True, slots=True)
class Slot:
    """A GPU held until release, or until this process ends."""

    gpu: Gpu
    lock: IO[str]

    def release(self) -> None:
        """Free the GPU for another worker."""
        self.lock.close()


@dataclass(frozen=True, slots=True)
class WorkerIdentity:
    """A worker's id, held until release, or until this process ends."""

    worker_id: UUID
    lock: IO[str] | None = None

    def release(self) -> None:
        """Free the identity for another worker."""
        if self.lock is not None:
            self.lock.close()


def take_gpu(device: Literal["auto", "cpu", "cuda"], slot_dir: Path | None) -> Slot | None:
    """Lock a GPU that no other worker of this host has; None where the worker needs no lock.

    Raises:
        NoFreeGpu: all GPUs are taken; or there is none, and the settings require one.
    """
    if device == "cpu":
        return None
    gpus = _allowed(list_gpus(), os.environ)
    if device == "cuda" and not gpus:
        raise NoFreeGpu(
            "NETMORPH_DEVICE is cuda, but no GPU is seen here: "
            "give the worker a GPU, or set NETMORPH_DEVICE=cpu"
        )
    if slot_dir is None or not gpus:
        return None
    return _first_free(gpus, slot_dir)


def list_gpus() -> tuple[Gpu, ...]:
    """The GPUs of this host, found without CUDA; a partitioned GPU is listed as its partitions."""
    tool = shutil.which("nvidia-smi")
    if tool is not None:
        listing = subprocess.run(
            [tool, "-L"], capture_output=True, text=True, timeout=_LIST_SECONDS, check=False
        )
        if listing.returncode == 0:
            return parse_listing(listing.stdout)
    devices = sorted(Path("/dev").glob("nvidia[0-9]*"), key=lambda path: int(path.name[6:]))
    return tuple(Gpu(str(index), f"GPU {index}") for index, _ in enumerate(devices))


def parse_listing(text: str) -> tuple[Gpu, ...]:
    """The GPUs in the output of `nvidia-smi -L`."""
    gpus: list[Gpu] = []
    partitioned: Gpu | None = None  # the GPU to which the next partitions belong
    for match in filter(None, map(_LISTED.match, text.splitlines())):
        gpu = Gpu(match["uuid"], match["name"].partition(": ")[2] or match["name"])
        if match["kind"] == "GPU":
            partitioned = gpu
        elif partitioned in gpus:
            gpus.remove(partitioned)
        gpus.append(gpu)
    return tuple(gpus)


def take_identity(state_dir: Path | None) -> WorkerIdentity:
    """Lock a worker id that no running worker of this folder has; it survives restarts.

    The controller frees the leases of a worker's earlier boots, so no two workers may share an id.
    """
    if state_dir is None:
        return WorkerIdentity(uuid4())
    state_dir.mkdir(parents=True, exist_ok=True)
    file = next(_locked(state_dir / f"worker-{k}.id" for k in range(10_000)))
    try:
        return WorkerIdentity(UUID(file.read().strip()), file)
    except ValueError:
        identity = WorkerIdentity(uuid4(), file)
        file.truncate(0)
        file.write(f"{identity.worker_id}\n")
        file.flush()
        return identity


def _first_free(gpus: tuple[Gpu, ...], slot_dir: Path) -> Slot:
    slot_dir.mkdir(parents=True, exist_ok=True)
    for gpu in gpus:
        for lock in _locked([slot_dir / f"{gpu.id.replace('/', '_')}.lock"]):
            return Slot(gpu, lock)
    raise NoFreeGpu(
        f"no free GPU: each of the {len(gpus)} seen here has a worker (locks in {slot_dir}); "
        "start at most one worker per GPU, or set NETMORPH_DEVICE=cpu"
    )


def _locked(paths: Iterable[Path]) -> Iterator[IO[str]]:
    """Lock those files that no process has locked; files that are missing are created."""
    for path in paths:
        file = open(path, "a+", encoding="utf-8")  # noqa: SIM115 (open as long as it is locked)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            continue
        file.seek(0)
        yield file


def _allowed(gpus: tuple[Gpu, ...], environment: Mapping[str, str]) -> tuple[Gpu, ...]:
    """The GPUs that CUDA_VISIBLE_DEVICES allows; all where it is not set."""
    visible = environment.get("CUDA_VISIBLE_DEVICES")
    if visible is None:
        return gpus
    allowed = [part.strip() for part in visible.split(",") if part.strip()]
    by_id = {gpu.id: gpu for gpu in gpus} | {str(k): gpu for k, gpu in enumerate(gpus)}
    return tuple(by_id[part] for part in allowed if part in by_id)
