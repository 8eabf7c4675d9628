"""A disk that is full or read-only for a while: the search waits, and goes on by itself.

The storage is a small file system of its own, which only root may mount.
"""

import contextlib
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from netmorph.embedded import EmbeddedPostgres, EmbeddedValkey
from tests.running_service import RunningService

pytestmark = pytest.mark.slow


@pytest.fixture
def service(servers_directory: Path, tmp_path: Path) -> Iterator[RunningService]:
    servers = servers_directory / f"disk-{uuid4().hex[:8]}"
    service = RunningService(
        tmp_path, EmbeddedPostgres(servers, durable=False), EmbeddedValkey(servers)
    )
    command = ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(service.storage)]
    try:
        if subprocess.run(command, check=False, capture_output=True).returncode:
            pytest.skip("this account may not mount file systems")
        service.start_api()
        service.start_worker()
        yield service
    finally:
        service.close()
        subprocess.run(["umount", "--lazy", str(service.storage)], check=False)


def fill(storage: Path) -> Callable[[], None]:
    """Leave no free block."""
    ballast = storage / "ballast"
    with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(4096))
    return ballast.unlink


def make_read_only(storage: Path) -> Callable[[], None]:
    """Refuse all writes."""

    def mount(mode: str) -> None:
        subprocess.run(["mount", "-o", f"remount,{mode}", str(storage)], check=True)

    mount("ro")
    return lambda: mount("rw")


@pytest.mark.parametrize("break_disk", [fill, make_read_only])
def test_a_search_waits_for_its_disk(service, break_disk) -> None:
    search_id = service.search(budget={"trials": 6})
    service.wait_for_trial(search_id, 1)
    repair = break_disk(service.storage)
    service.wait_until(
        lambda: service.get(search_id)["reason"].startswith("waits for storage: "), 120
    )
    assert not service.http.get("/readyz").is_success
    repair()

    service.wait_until_completed(search_id, 180)

    assert service.rows("SELECT DISTINCT attempt FROM trials") == [(1,)]
    assert list(service.storage.rglob(".*")) == []
    service.audit_at_rest()
