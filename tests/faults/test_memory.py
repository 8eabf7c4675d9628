"""Memory runs out for a real trainer: its trial ends with a reason, and the search goes on."""

import os
import resource
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import psutil
import pytest

from tests.e2e.conftest import RunningService

pytestmark = pytest.mark.slow

GROUPS = Path("/sys/fs/cgroup/memory")
MIB = 2**20
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


def test_an_allocation_that_the_system_refuses_is_a_fact_about_the_trial(
    service: RunningService,
) -> None:
    trainer = ready_trainer(service)
    no_limit = resource.RLIM_INFINITY
    trainer.rlimit(psutil.RLIMIT_DATA, (trainer.memory_info().data + 8 * MIB, no_limit))
    search_id = service.search(
        budget={"trials": 6}, training=HUNGRY, bounds={"parameters": 300_000}
    )
    ended = service.wait_until(lambda: reasons(service, search_id))
    trainer.rlimit(psutil.RLIMIT_DATA, (no_limit, no_limit))

    service.wait_until_completed(search_id)

    status, reason, attempt = ended[0]
    assert (status, attempt) == ("infeasible", 1)
    assert reason.startswith("out of memory: ")
    service.audit()


@pytest.fixture
def group(service: RunningService) -> Iterator[Path]:
    """A control group of the worker and its trainer, as of a container."""
    group = GROUPS / f"netmorph-{uuid4().hex[:8]}"
    try:
        group.mkdir()
    except OSError:
        pytest.skip("this account may not make control groups (version 1)")
    for process in (service.worker, ready_trainer(service)):
        (group / "cgroup.procs").write_text(str(process.pid))
    yield group
    (group / "memory.limit_in_bytes").write_text("-1")
    service.stop_worker()
    group.rmdir()


def test_a_trainer_that_the_system_kills_for_its_memory_costs_one_trial(
    service: RunningService, group: Path
) -> None:
    worker, trainer = service.worker.pid, service.trainer()
    search_id = service.search(budget={"trials": 4}, training={"epochs": 40, "final_epochs": 1})
    trial_id, attempt = service.wait_until(lambda: service.in_training(search_id))
    (group / "memory.force_empty").write_text("0")
    used = int((group / "memory.usage_in_bytes").read_text())
    (group / "memory.limit_in_bytes").write_text(str(max(used // 2, 64 * MIB)))
    service.wait_until(lambda: not trainer.is_running())
    (group / "memory.limit_in_bytes").write_text("-1")

    service.wait_until_completed(search_id)

    query = "SELECT status, reason, attempt FROM trials WHERE id = %s"
    ((status, reason, ended_attempt),) = service.rows(query, trial_id)
    assert (status, ended_attempt) == ("infeasible", attempt)
    assert "killed by SIGKILL (out of memory)" in reason
    assert service.worker.pid == worker
    assert os.path.exists(f"/proc/{worker}")
    service.kills += 1
    service.audit_at_rest()
