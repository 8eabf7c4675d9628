"""Faults in the middle of real searches: nothing is lost, nothing counts twice, all goes on.

Real PostgreSQL, Valkey, Celery, HTTP and torch; digits; leases of three seconds. After each fault
an auditor reads the database.
"""

import signal
import threading
from collections.abc import Callable, Iterator
from time import monotonic
from uuid import uuid4

import httpx
import pytest

pytestmark = pytest.mark.xdist_group("machine")

WORKER = {"Authorization": "Bearer netmorph_" + "w" * 43}


@pytest.fixture(autouse=True)
def audited(running_stack) -> Iterator[None]:
    """Every test ends with all searches ended and the books in order."""
    yield
    stack = running_stack
    stack.start_api()
    for (search_id,) in stack.rows("SELECT id FROM searches WHERE ended_at IS NULL"):
        stack.http.post(f"/v1/searches/{search_id}:stop")
    stack.until(lambda: stack.rows("SELECT trial_id FROM leases") == [])
    stack.audit_at_rest()


def attempts(stack, search_id: str) -> list[int]:
    found = stack.rows(
        "SELECT attempt FROM trials WHERE search_id = %s AND kind = 'search' ORDER BY number",
        search_id,
    )
    return [attempt for (attempt,) in found]


def trained(found: dict) -> int:
    """How many trials ended with a value: at their end, or early as others gained more."""
    counts = dict(found["trial_counts"])
    ended = counts.pop("completed", 0) + counts.pop("stopped", 0)
    assert counts == {}
    return ended


def test_a_search_completes(stack):
    found = stack.completed(stack.search())
    assert trained(found) == 4
    assert found["trials_inherited"] >= 2
    assert found["final"]["test_metric"] > 0.3


def test_a_killed_worker_loses_no_trial(stack):
    search_id = stack.search()
    trial_id, attempt = stack.until(lambda: stack.in_training(search_id, number=1))
    trainer = stack.trainer()
    stack.worker.kill()
    stack.worker.wait()
    stack.until(lambda: not trainer.is_running(), 5)
    stack.start_worker()
    found = stack.completed(search_id)
    assert trained(found) == 4
    assert stack.rows("SELECT attempt FROM trials WHERE id = %s", trial_id) == [(attempt + 1,)]
    assert sum(attempts(stack, search_id)) == 5


def test_a_killed_trainer_costs_one_attempt(stack):
    search_id = stack.search()
    trial_id, attempt = stack.until(lambda: stack.in_training(search_id, number=1))
    stack.trainer().kill()
    stack.completed(search_id)
    assert stack.rows("SELECT attempt FROM trials WHERE id = %s", trial_id) == [(attempt + 1,)]


def test_a_killed_controller_takes_up_the_search_again(stack):
    search_id = stack.search()
    stack.until(lambda: stack.in_training(search_id, number=1))
    before = stack.get(search_id)
    stack.api.kill()
    stack.api.wait()
    stack.start_api()
    found = stack.completed(search_id)
    assert trained(found) == 4
    assert found["version"] > before["version"]


def test_a_flushed_broker_costs_nothing(stack):
    search_id = stack.search(parallelism=2)
    for number in range(4):
        stack.reached(search_id, number)
        stack.flush_broker()
    assert trained(stack.completed(search_id)) == 4
    assert attempts(stack, search_id) == [1, 1, 1, 1]


def test_lost_connections_to_the_database_are_made_anew(stack):
    search_id = stack.search()
    for number in (0, 1, 2):
        stack.reached(search_id, number)
        stack.rows(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    assert trained(stack.completed(search_id)) == 4


def test_a_killed_database_is_recovered_and_the_search_goes_on(stack):
    search_id = stack.search()
    stack.reached(search_id, 1)
    stack.database.process.kill()
    stack.database.process.wait()
    stack.until(lambda: stack.http.get("/readyz").status_code == 503)
    stack.database.start()
    assert trained(stack.completed(search_id)) == 4


def test_a_search_completes_without_a_broker(stack):
    stack.broker.process.kill()
    stack.broker.process.wait()
    found = stack.completed(stack.search(budget={"trials": 2}))
    assert stack.broker.start() == stack.broker_url
    assert trained(found) == 2


def test_a_frozen_broker_delays_nobody(stack):
    stack.broker.process.send_signal(signal.SIGSTOP)
    began = monotonic()
    search_id = stack.search(budget={"trials": 2})
    assert monotonic() - began < 2
    found = stack.completed(search_id)
    stack.broker.process.send_signal(signal.SIGCONT)
    assert trained(found) == 2


def test_a_worker_that_sleeps_past_its_lease_counts_nothing_twice(stack):
    search_id = stack.search(training={"epochs": 200, "final_epochs": 1})
    trial_id, attempt = stack.until(lambda: stack.in_training(search_id))
    trainer = stack.trainer()
    for process in (stack.worker, trainer):
        process.send_signal(signal.SIGSTOP)
    waiting = [("waiting", attempt + 1)]
    query = "SELECT status, attempt FROM trials WHERE id = %s"
    stack.until(lambda: stack.rows(query, trial_id) == waiting)
    for process in (trainer, stack.worker):
        process.send_signal(signal.SIGCONT)
    stack.until(lambda: stack.rows(query, trial_id) == [("running", attempt + 1)])
    stack.until(lambda: not trainer.is_running(), 10)


def test_a_stopped_search_frees_its_worker(stack):
    search_id = stack.search(training={"epochs": 5000})
    stack.until(lambda: stack.in_training(search_id))
    stack.http.post(f"/v1/searches/{search_id}:stop").raise_for_status()
    stack.until(lambda: stack.rows("SELECT trial_id FROM leases") == [], 3)
    assert stack.get(search_id)["status"] == "stopped"
    stack.completed(stack.search())


def test_a_worker_that_shuts_down_hands_its_trial_over(stack):
    search_id = stack.search()
    stack.until(lambda: stack.in_training(search_id, number=1))
    stack.stop_worker()
    assert stack.rows("SELECT trial_id FROM leases") == []
    stack.start_worker()
    assert trained(stack.completed(search_id)) == 4


class HandWorker:
    """A worker by hand, to say what no worker of ours would."""

    def __init__(self, url: str) -> None:
        self._http = httpx.Client(base_url=url, headers=WORKER, trust_env=False)
        self.me = {"worker_id": str(uuid4()), "boot_id": str(uuid4()), "name": "h", "device": "cpu"}

    def lease(self, wanted: str = "") -> dict:
        path = f"/v1/worker/trials/{wanted}/lease" if wanted else "/v1/worker/lease"
        answer = self._http.post(path, json=self.me)
        answer.raise_for_status()
        return answer.json() if answer.content else {}

    def say(self, order: dict, what: str, **fields) -> httpx.Response:
        body = {"attempt": order["attempt"], "token": order["token"]} | fields
        return self._http.post(f"/v1/worker/trials/{order['trial_id']}/{what}", json=body)

    def close(self) -> None:
        self._http.close()


@pytest.fixture
def hands(unmanned) -> Iterator[Callable[[], HandWorker]]:
    """Makes workers by hand."""
    made: list[HandWorker] = []

    def make() -> HandWorker:
        made.append(HandWorker(unmanned.url))
        return made[-1]

    yield make
    for worker in made:
        worker.close()


WEIGHTS = {"key": f"weights/{'0' * 64}.safetensors", "sha256": "0" * 64, "bytes": 1}


def test_a_repeated_result_counts_once(unmanned, hands):
    search_id = unmanned.search(budget={"trials": 1})
    worker = hands()
    order = unmanned.until(worker.lease)
    result = {"status": "stopped", "value": 0.5, "value_std": 0.1, "epochs": 1, "seconds": 1.0}
    answers: list[dict] = []
    posts = [
        threading.Thread(
            target=lambda: answers.append(worker.say(order, "result", **result).json())
        )
        for _ in range(8)
    ]
    for post in posts:
        post.start()
    for post in posts:
        post.join()
    assert [answer["accepted"] for answer in answers] == [True] * 8
    assert sorted(answer["reason"] for answer in answers) == [""] + ["duplicate"] * 7
    other = worker.say(order, "result", **result | {"value": 0.9})
    assert other.status_code == 409
    assert unmanned.get(search_id)["best"]["value"] == 0.5
    assert unmanned.get(search_id)["trial_counts"] == {"stopped": 1}


def test_a_late_result_does_not_count(unmanned, hands):
    search_id = unmanned.search(budget={"trials": 1})
    slow, quick = hands(), hands()
    order = unmanned.until(slow.lease)
    second = unmanned.until(quick.lease)  # once the lease has run out
    assert (second["trial_id"], second["attempt"]) == (order["trial_id"], order["attempt"] + 1)
    for what, fields in {
        "heartbeat": {"step": 9},
        "epochs": {"epoch": 1, "seconds": 1.0},
    }.items():
        assert slow.say(order, what, **fields).json()["action"] == "abandon"
    late = slow.say(order, "result", status="stopped", value=0.99)
    assert late.status_code == 409
    assert quick.say(second, "heartbeat", step=1).json()["action"] == "continue"
    assert quick.say(second, "result", status="stopped", value=0.25).json()["accepted"]
    assert slow.say(order, "result", status="stopped", value=0.99).status_code == 409
    assert unmanned.get(search_id)["best"]["value"] == 0.25


def test_a_worker_that_starts_anew_frees_its_trial_at_once(unmanned, hands):
    unmanned.search(budget={"trials": 1})
    worker = hands()
    order = unmanned.until(worker.lease)
    worker.me["boot_id"] = str(uuid4())
    again = worker.lease()
    assert (again["trial_id"], again["attempt"]) == (order["trial_id"], order["attempt"] + 1)
    assert worker.say(order, "heartbeat", step=1).json()["action"] == "abandon"


def test_a_trial_that_no_worker_survives_is_given_up(unmanned, hands):
    search_id = unmanned.search(budget={"trials": 1})
    worker = hands()
    for _ in range(3):
        unmanned.until(worker.lease)
        worker.me["boot_id"] = str(uuid4())
    assert worker.lease() == {}
    assert unmanned.get(search_id)["trial_counts"] == {"lost": 1}
    unmanned.until(lambda: unmanned.status(search_id) == "failed")
