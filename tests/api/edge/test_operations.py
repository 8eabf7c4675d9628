"""The operations of a process: what it reserves, its shutdown, and its death."""

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import select

from api.edge import operations as edge
from api.models import Dataset, Operation
from api.operation_states import OperationStatus
from tests.api.background import Gate, ended, upload
from tests.waiting import wait_for


def test_where_an_operation_cannot_begin_nothing_stays_reserved(
    app: Any, person: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: Any, **__: Any) -> Any:
        raise OSError("no")

    http = person().http
    with monkeypatch.context() as patch:
        patch.setattr(edge.operations, "begin", fails)
        assert [upload(http).status_code for _ in range(12)] == [503] * 12

    assert ended(http, upload(http))["status"] == "done"
    assert not app.state.uploads._announced


def test_a_shutdown_fails_what_cannot_end_in_time_and_never_hangs(
    app: Any, person: Any, world: Any, gate: Gate
) -> None:
    http = person().http
    answers = [upload(http) for _ in range(4)]
    for _ in range(edge.THREADS):
        gate.wait_for_entry()

    begun = time.monotonic()
    app.state.operations.stop(seconds=0.2)
    assert time.monotonic() - begun < 5

    refused = upload(person().http)  # it still answers, as it does while requests end
    assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
    for answer in answers:
        problem = ended(http, answer)["problem"]
        assert (problem["status"], problem["title"]) == (503, "Service Unavailable")
        assert "shut down" in problem["detail"]
        assert "send the request again" in problem["detail"]
    gate.open.set()  # what is stored all the same does not change how the operation ended
    wait_for(lambda: _count(world, Dataset))
    assert {ended(http, one)["status"] for one in answers} == {"failed"}


def test_a_shutdown_waits_for_an_import_that_ends_soon(app: Any, person: Any, gate: Gate) -> None:
    http = person().http
    answer = upload(http)
    gate.wait_for_entry()
    with ThreadPoolExecutor(1) as pool:
        stopping = pool.submit(app.state.operations.stop)
        gate.open.set()
        stopping.result(timeout=20)
    assert ended(http, answer)["status"] == "done"


def test_the_operations_of_a_process_that_died_fail_and_its_waiting_clients_hear_of_it(
    app: Any, person: Any, world: Any, gate: Gate
) -> None:
    """The process lives here, but its signs of life are an hour old, and another one looks."""
    http = person().http
    answer = upload(http)
    gate.wait_for_entry()
    operation_id = answer.json()["id"]
    with world.sessions.begin() as session:
        row = session.get_one(Operation, operation_id)
        row.heard_at = row.heard_at.replace(year=row.heard_at.year - 1)
    app.state.operations.beat()  # its own operations are heard first
    assert http.get(answer.headers["location"]).json()["status"] == "running"
    with world.sessions.begin() as session:
        row = session.get_one(Operation, operation_id)
        row.heard_at = row.heard_at.replace(year=row.heard_at.year - 1)

    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(http.get, answer.headers["location"], params={"wait": 20})
        edge.Operations(app.state.sessions).beat()
        failed = waiting.result().json()

    assert failed["status"] == OperationStatus.FAILED
    assert "has died: send the request again" in failed["problem"]["detail"]
    gate.open.set()
    wait_for(lambda: not app.state.operations._in_hand)
    assert http.get(answer.headers["location"]).json() == failed  # its late end changes nothing


def _count(world: Any, table: Any) -> int:
    with world.sessions.begin() as session:
        return len(session.scalars(select(table.id)).all())
