"""The operations of a process: what it reserves, its shutdown, and its death."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy import select

from api.edge import operations as edge
from api.models.datasets import Dataset
from api.models.operations import Operation
from api.operation_states import OperationStatus
from core.data import interruption
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
    gate.open.set()  # too late: nothing is stored
    wait_for(lambda: not app.state.operations._in_hand)
    assert {ended(http, one)["status"] for one in answers} == {"failed"}
    assert not _count(world, Dataset)


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


def test_a_cancelled_import_ends_without_a_data_set_or_files(
    app: Any, person: Any, world: Any, gate: Gate
) -> None:
    http = person().http
    running = [upload(http) for _ in range(edge.THREADS)]
    for _ in running:
        gate.wait_for_entry()
    waiting = upload(http)
    assert len(app.state.uploads._announced) == 1

    for answer in (*running, waiting):
        assert http.post(f"{answer.headers['location']}:cancel").status_code == 200
    assert len(app.state.operations._in_hand) == edge.THREADS  # the one that waited is gone at once
    gate.open.set()
    wait_for(lambda: not app.state.operations._in_hand)

    assert not _count(world, Dataset)
    assert not app.state.uploads._announced
    assert {ended(http, one)["status"] for one in (*running, waiting)} == {"cancelled"}
    assert ended(http, upload(http))["status"] == "done"  # its threads go on


def test_an_import_notices_that_another_process_has_cancelled_it(
    app: Any, person: Any, world: Any, gate: Gate
) -> None:
    user = person()
    running = [upload(user.http) for _ in range(edge.THREADS)]
    for _ in running:
        gate.wait_for_entry()
    other = edge.Operations(app.state.sessions)
    for answer in (running[0], upload(user.http)):
        other.cancel(user.caller, UUID(answer.json()["id"]))

    wait_for(lambda: len(app.state.operations._in_hand) == edge.THREADS)  # none waits any more
    gate.open.set()
    wait_for(lambda: not app.state.operations._in_hand)
    assert _count(world, Dataset) == 1


def test_a_reading_is_cancelled_between_two_of_its_pieces(
    app: Any, person: Any, world: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is cancelled while its file is read, and no further step would tell it so."""
    http = person().http
    begun: SimpleQueue[httpx.Response] = SimpleQueue()
    check, checks = interruption.check, list[None]()

    def cancel_first() -> None:
        if not checks:
            checks.append(None)
            http.post(f"{begun.get().headers['location']}:cancel")
        check()

    monkeypatch.setattr(interruption, "check", cancel_first)
    begun.put(upload(http))
    wait_for(lambda: not app.state.operations._in_hand)
    assert not _count(world, Dataset)


def test_an_import_cannot_be_cancelled_once_its_data_set_is_stored(
    app: Any, person: Any, world: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor does its end depend on the process, from then on."""
    user = person()
    stored, go_on = threading.Event(), threading.Event()
    finish = edge.operations.finish

    def held_back(*arguments: Any, **named: Any) -> bool:
        stored.set()
        assert go_on.wait(20)
        return finish(*arguments, **named)

    monkeypatch.setattr(edge.operations, "finish", held_back)
    answer = upload(user.http)
    assert stored.wait(20)
    path = answer.headers["location"]
    assert user.http.get(path).json()["status"] == "running"
    refused = user.http.post(f"{path}:cancel")
    assert refused.status_code == 409
    assert "delete the data set instead" in refused.json()["detail"]

    app.state.operations.stop(seconds=0.1)
    done = user.http.get(path).json()
    go_on.set()
    assert (done["status"], done["problem"]) == ("done", None)
    assert user.http.get(f"/v1/datasets/{done['dataset_id']}").status_code == 200


def _count(world: Any, table: Any) -> int:
    with world.sessions.begin() as session:
        return len(session.scalars(select(table.id)).all())
