"""Faults in the middle of real searches: no trial is lost or counted twice, and each continues.

Real PostgreSQL, Valkey, Celery, HTTP and torch; digits; leases of three seconds. After each fault
the database is audited. `tests/faults` has the trainers that are killed and the workers that shut
down, with the weights that their trainings end with.
"""

import signal
import threading
from collections.abc import Callable, Iterator
from uuid import uuid4

import httpx
import pytest

from tests.faults.proxy import Proxy

#: Small batches: a training must last longer than a test needs to see it and to act.
UNHURRIED = {"epochs": 6, "final_epochs": 2, "batch_size": 16}
WORKER = {"Authorization": "Bearer netmorph_" + "w" * 43}


@pytest.fixture(autouse=True)
def audited(service_processes) -> Iterator[None]:
    """After each test, end every search and audit the database."""
    yield
    service = service_processes
    service.start_api()
    for (search_id,) in service.rows("SELECT id FROM searches WHERE ended_at IS NULL"):
        service.http.post(f"/v1/searches/{search_id}:stop")
    service.wait_until(lambda: service.rows("SELECT trial_id FROM leases") == [])
    service.audit_at_rest()


def attempts(service, search_id: str) -> list[int]:
    found = service.rows(
        "SELECT attempt FROM trials WHERE search_id = %s AND kind = 'search' ORDER BY number",
        search_id,
    )
    return [attempt for (attempt,) in found]


def trained(found: dict) -> int:
    """The number of trials with a value: completed, or stopped because others gained more."""
    counts = dict(found["trial_counts"])
    ended = counts.pop("completed", 0) + counts.pop("stopped", 0)
    assert counts == {}
    return ended


def test_a_killed_worker_loses_no_trial(service):
    search_id = service.search(training=UNHURRIED)
    trial_id, attempt = service.wait_until(lambda: service.in_training(search_id, number=1))
    service.kill_training(service.worker)
    service.start_worker()
    found = service.wait_until_completed(search_id)
    assert trained(found) == 3
    assert service.rows("SELECT attempt FROM trials WHERE id = %s", trial_id) == [(attempt + 1,)]
    assert sum(attempts(service, search_id)) == 4


def test_a_restarted_controller_continues_the_search(service):
    search_id = service.search()
    service.wait_until(lambda: service.in_training(search_id, number=1))
    before = service.get(search_id)
    service.api.kill()
    service.api.wait()
    service.start_api()
    found = service.wait_until_completed(search_id)
    assert trained(found) == 3
    assert found["version"] > before["version"]
    assert attempts(service, search_id) == [1, 1, 1]


def test_a_flushed_broker_costs_nothing(service):
    search_id = service.search(parallelism=2)
    for number in range(3):
        service.wait_for_trial(search_id, number)
        service.flush_broker()
    assert trained(service.wait_until_completed(search_id)) == 3
    assert attempts(service, search_id) == [1, 1, 1]


def test_lost_connections_to_the_database_are_replaced(service):
    search_id = service.search()
    for number in (0, 1):
        service.wait_for_trial(search_id, number)
        service.rows(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    assert trained(service.wait_until_completed(search_id)) == 3


def test_a_killed_database_is_recovered_and_the_search_goes_on(service):
    search_id = service.search()
    service.wait_for_trial(search_id, 1)
    service.database.process.kill()
    service.database.process.wait()
    service.wait_until(lambda: service.http.get("/readyz").status_code == 503)
    service.database.start()
    assert trained(service.wait_until_completed(search_id)) == 3


def test_a_search_completes_without_a_broker(service):
    service.broker.process.kill()
    service.broker.process.wait()
    found = service.wait_until_completed(service.search(budget={"trials": 2}))
    assert service.broker.start() == service.broker_url
    assert trained(found) == 2


def test_a_frozen_broker_delays_nobody(service):
    service.broker.process.send_signal(signal.SIGSTOP)
    found = service.wait_until_completed(service.search(budget={"trials": 2}))
    service.broker.process.send_signal(signal.SIGCONT)
    assert trained(found) == 2


def test_a_worker_that_sleeps_past_its_lease_counts_nothing_twice(service):
    """Another worker asks, takes the trial over, and its result counts."""
    search_id = service.search(training={"epochs": 200, "final_epochs": 1})
    trial_id, attempt = service.wait_until(lambda: service.in_training(search_id))
    processes = (service.worker, service.trainer())
    for process in processes:
        process.send_signal(signal.SIGSTOP)
    other = ScriptedWorker(service.url)
    order = service.wait_until(other.lease)
    assert (order["trial_id"], order["attempt"]) == (str(trial_id), attempt + 1)
    for process in reversed(processes):
        process.send_signal(signal.SIGCONT)
    assert other.post(order, "result", status="stopped", value=0.25).json()["accepted"]
    other.close()
    service.wait_until(lambda: service.in_training(search_id, number=1))
    query = "SELECT status, attempt, value FROM trials WHERE id = %s"
    assert service.rows(query, trial_id) == [("stopped", attempt + 1, 0.25)]


def test_a_stopped_search_frees_its_worker_for_the_next_which_completes(service):
    search_id = service.search(training={"epochs": 5000})
    service.wait_until(lambda: service.in_training(search_id))
    service.http.post(f"/v1/searches/{search_id}:stop").raise_for_status()
    service.wait_until(lambda: service.rows("SELECT trial_id FROM leases") == [], 3)
    assert service.get(search_id)["status"] == "stopped"
    found = service.wait_until_completed(service.search(budget={"trials": 4}))
    assert trained(found) == 4
    assert found["trials_inherited"] >= 2
    assert found["final"]["test_metric"] > 0.3


class ScriptedWorker:
    """A worker played by the test, which may send what a real worker never sends."""

    def __init__(self, url: str, timeout: float = 60) -> None:
        self._http = httpx.Client(base_url=url, headers=WORKER, trust_env=False, timeout=timeout)
        self.me = {
            "worker_id": str(uuid4()),
            "boot_id": str(uuid4()),
            "name": "scripted",
            "device": "cpu",
        }

    def lease(self, trial_id: str = "") -> dict:
        path = f"/v1/worker/trials/{trial_id}/lease" if trial_id else "/v1/worker/lease"
        answer = self._http.post(path, json=self.me)
        answer.raise_for_status()
        return answer.json() if answer.content else {}

    def post(self, order: dict, kind: str, **fields) -> httpx.Response:
        body = {"attempt": order["attempt"], "token": order["token"]} | fields
        return self._http.post(f"/v1/worker/trials/{order['trial_id']}/{kind}", json=body)

    def close(self) -> None:
        self._http.close()


@pytest.fixture
def make_worker(service_without_worker) -> Iterator[Callable[[], ScriptedWorker]]:
    """A function that makes workers played by the test."""
    made: list[ScriptedWorker] = []

    def make() -> ScriptedWorker:
        made.append(ScriptedWorker(service_without_worker.url))
        return made[-1]

    yield make
    for worker in made:
        worker.close()


WEIGHTS = {"key": f"weights/{'0' * 64}.safetensors", "sha256": "0" * 64, "bytes": 1}


def test_a_repeated_result_counts_once(service_without_worker, make_worker):
    search_id = service_without_worker.search(budget={"trials": 1})
    worker = make_worker()
    order = service_without_worker.wait_until(worker.lease)
    result = {"status": "stopped", "value": 0.5, "value_std": 0.1, "epochs": 1, "seconds": 1.0}
    answers: list[dict] = []
    posts = [
        threading.Thread(
            target=lambda: answers.append(worker.post(order, "result", **result).json())
        )
        for _ in range(8)
    ]
    for post in posts:
        post.start()
    for post in posts:
        post.join()
    assert [answer["accepted"] for answer in answers] == [True] * 8
    assert sorted(answer["reason"] for answer in answers) == [""] + ["duplicate"] * 7
    other = worker.post(order, "result", **result | {"value": 0.9})
    assert other.status_code == 409
    assert service_without_worker.get(search_id)["best"]["value"] == 0.5
    assert service_without_worker.get(search_id)["trial_counts"] == {"stopped": 1}


def test_a_late_result_does_not_count(service_without_worker, make_worker):
    search_id = service_without_worker.search(budget={"trials": 1})
    slow, quick = make_worker(), make_worker()
    order = service_without_worker.wait_until(slow.lease)
    second = service_without_worker.wait_until(quick.lease)  # once the lease has run out
    assert (second["trial_id"], second["attempt"]) == (order["trial_id"], order["attempt"] + 1)
    for kind, fields in {
        "heartbeat": {"step": 9},
        "epochs": {"epoch": 1, "seconds": 1.0},
    }.items():
        assert slow.post(order, kind, **fields).json()["action"] == "abandon"
    late = slow.post(order, "result", status="stopped", value=0.99)
    assert late.status_code == 409
    assert quick.post(second, "heartbeat", step=1).json()["action"] == "continue"
    assert quick.post(second, "result", status="stopped", value=0.25).json()["accepted"]
    assert slow.post(order, "result", status="stopped", value=0.99).status_code == 409
    assert service_without_worker.get(search_id)["best"]["value"] == 0.25


def test_a_restarted_worker_frees_its_trial_at_once(service_without_worker, make_worker):
    service_without_worker.search(budget={"trials": 1})
    worker = make_worker()
    order = service_without_worker.wait_until(worker.lease)
    worker.me["boot_id"] = str(uuid4())
    first = worker.lease()
    freed = f"SELECT attempt FROM trials WHERE id = '{order['trial_id']}'"
    assert service_without_worker.rows(freed) == [(order["attempt"] + 1,)]
    # Empty where the relay is just announcing the trial: a worker asks again.
    again = first or service_without_worker.wait_until(worker.lease)
    assert (again["trial_id"], again["attempt"]) == (order["trial_id"], order["attempt"] + 1)
    assert worker.post(order, "heartbeat", step=1).json()["action"] == "abandon"


def test_a_trial_that_kills_every_worker_is_lost(service_without_worker, make_worker):
    search_id = service_without_worker.search(budget={"trials": 1})
    worker = make_worker()
    for _ in range(3):
        service_without_worker.wait_until(worker.lease)
        worker.me["boot_id"] = str(uuid4())
    assert worker.lease() == {}
    assert service_without_worker.get(search_id)["trial_counts"] == {"lost": 1}
    service_without_worker.wait_until(lambda: service_without_worker.status(search_id) == "failed")


def test_a_result_whose_answer_is_lost_counts_once(service_without_worker, make_worker):
    """The packets of the answer are lost; the worker sends the result again."""
    service = service_without_worker
    search_id = service.search(budget={"trials": 1})
    worker = make_worker()
    order = service.wait_until(worker.lease)
    proxy = Proxy(int(service.url.rpartition(":")[2]))
    cut_off = ScriptedWorker(f"http://127.0.0.1:{proxy.port}", timeout=3)
    assert cut_off.post(order, "heartbeat", step=1).json()["action"] == "continue"
    proxy.drop("answers")
    result = {"status": "stopped", "value": 0.5}
    with pytest.raises(httpx.ReadTimeout):
        cut_off.post(order, "result", **result)
    proxy.heal()
    cut_off.close()
    assert worker.post(order, "result", **result).json()["reason"] == "duplicate"
    assert service.get(search_id)["trial_counts"] == {"stopped": 1}
    proxy.close()


def test_reports_in_a_wrong_order_change_nothing_after_the_result(
    service_without_worker, make_worker
):
    search_id = service_without_worker.search(budget={"trials": 1})
    worker = make_worker()
    order = service_without_worker.wait_until(worker.lease)
    for epoch in (2, 1):  # the network has changed their order
        assert worker.post(order, "epochs", epoch=epoch, seconds=1.0).json()["action"] == "continue"
    assert worker.post(order, "result", status="stopped", value=0.5, epochs=2).json()["accepted"]
    blob = {"key": f"checkpoints/{'0' * 64}.safetensors", "sha256": "0" * 64, "bytes": 1}
    for kind, fields in {
        "heartbeat": {"step": 9},
        "epochs": {"epoch": 3, "seconds": 1.0},
        "checkpoint": {"epoch": 3, "seconds": 1.0, "blob": blob},
    }.items():
        assert worker.post(order, kind, **fields).json()["action"] == "abandon"
    assert worker.post(order, "hand-back").status_code == 409
    query = "SELECT status, attempt, epochs, value FROM trials WHERE id = %s"
    found = service_without_worker.rows(query, order["trial_id"])
    assert found == [("stopped", 1, 2, 0.5)]
    curve = "SELECT epoch FROM epochs WHERE trial_id = %s ORDER BY epoch"
    assert service_without_worker.rows(curve, order["trial_id"]) == [(1,), (2,)]
    assert service_without_worker.get(search_id)["trial_counts"] == {"stopped": 1}


def test_a_forged_report_changes_nothing(service_without_worker, make_worker):
    """With the token of another lease, another attempt, another trial or no lease at all."""
    service_without_worker.search(budget={"trials": 2}, parallelism=2)
    worker, other = make_worker(), make_worker()
    order = service_without_worker.wait_until(worker.lease)
    of_other = service_without_worker.wait_until(other.lease)
    fence = {"trial_id": order["trial_id"], "attempt": order["attempt"], "token": order["token"]}
    for forged in (
        fence | {"token": of_other["token"]},
        fence | {"token": str(uuid4())},
        fence | {"attempt": 2},
        fence | {"trial_id": of_other["trial_id"]},
    ):
        assert other.post(forged, "heartbeat", step=9).json()["action"] == "abandon"
        assert other.post(forged, "epochs", epoch=1, seconds=1.0).json()["action"] == "abandon"
        assert other.post(forged, "result", status="stopped", value=0.99).status_code == 409
    unknown = fence | {"trial_id": str(uuid4())}
    assert other.post(unknown, "result", status="stopped", value=0.99).status_code == 404
    held = "SELECT trial_id::text, attempt, step FROM leases ORDER BY trial_id"
    assert service_without_worker.rows(held) == sorted(
        (one["trial_id"], one["attempt"], 0) for one in (order, of_other)
    )
    for one, name in ((order, worker), (of_other, other)):
        assert name.post(one, "result", status="stopped", value=0.25).json()["accepted"]
