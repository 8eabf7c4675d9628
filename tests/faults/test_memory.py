"""Memory runs out for a real trainer: its trial ends with a reason, and the search goes on."""

import resource
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import psutil
import pytest

from tests.running_service import RunningService

pytestmark = pytest.mark.slow

GROUPS = Path("/sys/fs/cgroup/memory")
ROOM = 8 * 2**20  # bytes that a trainer may take beside those of its start
#: A batch takes tens of megabytes.
HUNGRY = {"epochs": 4, "final_epochs": 1, "batch_size": 1024}


def reasons(service: RunningService, search_id: str) -> list[tuple[str, str, int]]:
    """Status, reason and attempt of the trials that did not complete."""
    return service.rows(
        "SELECT status, reason, attempt FROM trials WHERE search_id = %s AND ended_at IS NOT NULL"
        " AND status NOT IN ('completed', 'stopped')",
        search_id,
    )


def ready_trainer(service: RunningService) -> psutil.Process:
    """The trainer, once it has imported torch."""
    trainer = service.trainer()
    service.wait_until(lambda: f"trainer {trainer.pid} is ready" in service.log("worker"))
    return trainer


def search_on(service: RunningService) -> str:
    return service.search(budget={"trials": 6}, training=HUNGRY, bounds={"parameters": 300_000})


def test_an_allocation_that_the_system_refuses_costs_one_trial(service: RunningService) -> None:
    """Torch raises an error, or another library ends the process."""
    trainer = ready_trainer(service)
    no_limit = resource.RLIM_INFINITY
    trainer.rlimit(psutil.RLIMIT_DATA, (trainer.memory_info().data + ROOM, no_limit))
    search_id = search_on(service)
    status, reason, attempt = service.wait_until(lambda: reasons(service, search_id))[0]
    if trainer.is_running():
        trainer.rlimit(psutil.RLIMIT_DATA, (no_limit, no_limit))
    else:
        service.note_unreported()

    service.wait_until_completed(search_id)

    assert (status, attempt) == ("infeasible", 1)
    assert "out of memory" in reason
    service.audit_at_rest()


@pytest.fixture
def group(service_without_worker: RunningService) -> Iterator[Path]:
    """A control group of the worker and its trainer, as of a container."""
    group = GROUPS / f"netmorph-{uuid4().hex[:8]}"
    try:
        group.mkdir()
    except OSError:
        pytest.skip("this account may not make control groups (version 1)")
    service_without_worker.start_worker()
    members = group / "cgroup.procs"
    members.write_text(str(service_without_worker.worker.pid))  # its children follow
    yield group
    (group / "memory.limit_in_bytes").write_text("-1")
    service_without_worker.stop_worker()
    service_without_worker.wait_until(lambda: not members.read_text())
    group.rmdir()


def test_a_trainer_that_the_system_kills_for_its_memory_costs_one_trial(
    service_without_worker: RunningService, group: Path
) -> None:
    service = service_without_worker
    worker, trainer = service.worker.pid, ready_trainer(service)
    (group / "memory.force_empty").write_text("0")  # cached files are given up
    used = int((group / "memory.usage_in_bytes").read_text())
    (group / "memory.limit_in_bytes").write_text(str(used + ROOM))
    search_id = search_on(service)
    service.wait_until(lambda: not trainer.is_running(), 300)
    (group / "memory.limit_in_bytes").write_text("-1")
    service.note_unreported()

    service.wait_until_completed(search_id)

    status, reason, attempt = reasons(service, search_id)[0]
    assert (status, attempt) == ("infeasible", 1)
    assert "killed by SIGKILL (out of memory)" in reason
    assert (service.worker.pid, service.worker.is_running()) == (worker, True)
    service.audit_at_rest()
