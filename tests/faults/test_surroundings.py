"""Faults of the surroundings in the middle of real searches: they cost no search and no attempt.

Real PostgreSQL, Valkey, Celery, HTTP and torch. After each fault the database and the storage are
audited.
"""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import psutil
import pytest
import redis

from core.protocol.queue import KEY_PREFIX, QUEUE
from tests.running_service import RunningService
from worker.agent.notifications import write_notification


@pytest.fixture(autouse=True)
def audited(service_processes: RunningService) -> Iterator[None]:
    """After each test, end every search and audit the database."""
    yield
    running = service_processes
    running.start_api()
    for (search_id,) in running.rows("SELECT id FROM searches WHERE ended_at IS NULL"):
        running.http.post(f"/v1/searches/{search_id}:stop")
    running.wait_until(lambda: running.rows("SELECT trial_id FROM leases") == [])
    running.audit()


def attempts(service: RunningService, search_id: str) -> set[int]:
    rows = service.rows("SELECT DISTINCT attempt FROM trials WHERE search_id = %s", search_id)
    return {attempt for (attempt,) in rows}


def suggesting(service: RunningService) -> list[psutil.Process]:
    """The processes in which the API computes suggestions."""
    children = service.api.children()
    return [one for one in children if "--multiprocessing-fork" in one.cmdline()]


@pytest.mark.slow
def test_a_killed_process_for_suggestions_is_replaced(service):
    api = service.api.pid
    search_id = service.search(budget={"trials": 4})
    for number in (0, 2):
        service.wait_for_trial(search_id, number)
        for process in suggesting(service):
            process.kill()
    service.wait_until_completed(search_id)
    assert (service.api.pid, service.api.is_running()) == (api, True)


def flip(file: Path) -> None:
    """Change one bit of a file."""
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)


@pytest.mark.parametrize("damage", [Path.unlink, pytest.param(flip, marks=pytest.mark.slow)])
def test_a_search_goes_on_without_weights_that_are_damaged(service, damage):
    search_id = service.search(budget={"trials": 5})
    service.wait_for_trial(search_id, 2)
    damaged = service.rows(
        "SELECT weights_key FROM trials WHERE weights_key IS NOT NULL AND search_id = %s", search_id
    )
    for (key,) in damaged:
        damage(service.storage / key)

    service.wait_until_completed(search_id)

    started = "SELECT remark FROM trials WHERE remark <> '' AND search_id = %s"
    assert "are damaged" in service.rows(started, search_id)[0][0]
    assert attempts(service, search_id) == {1}
    for (key,) in service.rows("SELECT blob_key FROM damaged"):
        file = service.storage / key
        assert not file.exists() or hashlib.sha256(file.read_bytes()).hexdigest() not in key
    service.rows("DELETE FROM damaged RETURNING blob_key")


def test_a_search_waits_for_its_storage_and_goes_on_by_itself(service):
    search_id = service.search(budget={"trials": 4})
    service.wait_for_trial(search_id, 2)
    service.stop_worker()
    weights, away = service.storage / "weights", service.storage / "away"
    weights.rename(away)
    for path in (service.storage / "checkpoints").glob("*"):
        path.unlink()  # so that the trial starts again from its parent's weights
    weights.write_text("in the way: nothing can be read or written below")
    service.start_worker()
    service.wait_until(lambda: service.get(search_id)["reason"].startswith("waits for storage: "))
    assert service.status(search_id) == "running"

    weights.unlink()
    away.rename(weights)

    found = service.wait_until_completed(search_id)
    assert found["reason"] == ""
    assert list(service.storage.glob(".*")) == []
    service.audit_at_rest()


@pytest.mark.slow
def test_a_queue_of_the_wrong_type_stops_no_worker(service):
    worker = service.worker.pid
    with redis.Redis.from_url(service.broker_url) as broker:
        broker.set(KEY_PREFIX + QUEUE, "not a list")
        search_id = service.search(budget={"trials": 2})
        service.wait_until_completed(search_id)
        assert (service.worker.pid, service.worker.is_running()) == (worker, True)
        assert broker.get(KEY_PREFIX + QUEUE) == b"not a list"

        broker.delete(KEY_PREFIX + QUEUE)
        broker.lpush(KEY_PREFIX + QUEUE, write_notification(uuid4(), 1))
        service.wait_until(lambda: broker.llen(KEY_PREFIX + QUEUE) == 0)
