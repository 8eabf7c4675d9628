"""The workers of one host never share a GPU or an identity."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from worker.agent.slot import Gpu, NoFreeGpu, Slot, parse_listing, take_gpu, take_identity

LISTING = """\
GPU 0: NVIDIA H100 80GB HBM3 (UUID: GPU-aaaa)
GPU 1: NVIDIA H100 80GB HBM3 (UUID: GPU-bbbb)
"""

DIVIDED = """\
GPU 0: NVIDIA A100 (UUID: GPU-aaaa)
  MIG 1g.10gb     Device  0: (UUID: MIG-0001)
  MIG 1g.10gb     Device  1: (UUID: MIG-0002)
GPU 1: NVIDIA A100 (UUID: GPU-bbbb)
"""


@pytest.fixture
def host(tmp_path: Path, monkeypatch) -> Path:
    """A host on which `nvidia-smi` lists two GPUs; the folder of its locks."""
    tool = tmp_path / "bin" / "nvidia-smi"
    tool.parent.mkdir()
    tool.write_text(f"#!/bin/sh\ncat <<END\n{LISTING}END\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tool.parent}:{os.environ['PATH']}")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    return tmp_path / "slots"


@pytest.fixture
def take(host: Path) -> Iterator[Callable[[str], Slot]]:
    """Takes GPUs of the host, and frees them in the end."""
    held: list[Slot] = []

    def take_one(device: str = "auto") -> Slot:
        slot = take_gpu(device, host)
        assert slot is not None
        held.append(slot)
        return slot

    yield take_one
    for slot in held:
        slot.release()


def test_each_worker_of_a_host_takes_a_gpu_of_its_own(take):
    first, second = take("auto"), take("cuda")
    assert {first.gpu.id, second.gpu.id} == {"GPU-aaaa", "GPU-bbbb"}
    assert first.gpu.environment["CUDA_VISIBLE_DEVICES"] == first.gpu.id
    assert first.gpu.name == "NVIDIA H100 80GB HBM3"


def test_one_worker_more_than_there_are_gpus_is_refused(take):
    take()
    take()
    with pytest.raises(NoFreeGpu, match="no free GPU: each of the 2 seen here has a worker"):
        take()


def test_the_gpu_of_a_killed_worker_is_free_again(host, take):
    program = (
        "import sys; from pathlib import Path; from worker.agent.slot import take_gpu\n"
        f"slot = take_gpu('auto', Path({str(host)!r})); print(slot.gpu.id, flush=True)\n"
        "sys.stdin.read()"
    )
    other = subprocess.Popen(
        [sys.executable, "-P", "-c", program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with other:
        taken = other.stdout.readline().strip()
        assert take().gpu.id != taken
        other.kill()
    assert take().gpu.id == taken


def test_only_the_gpus_left_by_the_operator_are_taken(take, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    assert take().gpu.id == "GPU-bbbb"
    with pytest.raises(NoFreeGpu):
        take()


def test_a_worker_without_a_folder_for_locks_takes_no_lock(host):
    assert take_gpu("auto", None) is None
    assert not host.exists()


def test_a_cpu_worker_needs_no_slot(host):
    assert take_gpu("cpu", host) is None


def test_a_worker_for_gpus_is_refused_where_there_are_none(host, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert take_gpu("auto", host) is None
    with pytest.raises(NoFreeGpu, match="NETMORPH_DEVICE is cuda, but no GPU is seen"):
        take_gpu("cuda", host)


def test_the_worker_process_says_why_it_does_not_start(host, monkeypatch, environment):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    done = subprocess.run(
        [sys.executable, "-P", "-m", "worker"],
        env=environment
        | {"NETMORPH_DEVICE": "cuda", "NETMORPH_BROKER_URL": "redis://x"}
        | {"CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 3
    assert "no GPU is seen here" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_partitioned_gpu_is_listed_as_its_partitions():
    assert [gpu.id for gpu in parse_listing(DIVIDED)] == ["MIG-0001", "MIG-0002", "GPU-bbbb"]
    assert parse_listing("no devices were found\n") == ()
    assert parse_listing(LISTING)[0] == Gpu("GPU-aaaa", "NVIDIA H100 80GB HBM3")


def test_no_two_living_workers_share_an_identity(tmp_path):
    first, second = take_identity(tmp_path), take_identity(tmp_path)
    assert first.worker_id != second.worker_id
    first.release()
    again = take_identity(tmp_path)
    assert again.worker_id == first.worker_id
    again.release()
    second.release()


def test_a_damaged_identity_file_is_written_again(tmp_path):
    (tmp_path / "worker-0.id").write_text("1234")
    first = take_identity(tmp_path)
    first.release()
    again = take_identity(tmp_path)
    again.release()
    assert again.worker_id == first.worker_id
