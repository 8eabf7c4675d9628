"""The routes of workers: what each answers over HTTP, from the lease to the result."""

from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from sqlalchemy import text

from api.edge import known_keys
from api.edge.batches import WorkerBatches
from api.edge.lanes import Lane
from api.roles import Role
from api.store import searches
from core.protocol.contracts.reports import Action, Answer
from core.protocol.contracts.results import ResultAnswer
from core.protocol.contracts.train_orders import TrainOrder
from core.protocol.proofs import proof
from core.protocol.states import SearchStatus, TrialStatus
from tests.waiting import wait_for

LATER = text("now() + interval '1 h'")


@pytest.fixture
def http(person: Any) -> httpx.Client:
    """A client with the key of a worker."""
    client: httpx.Client = person(Role.WORKER).http
    return client


def leased(http: httpx.Client, world: Any, trial: UUID | None = None) -> httpx.Response:
    """The answer to a new worker that asks for any trial, or for one."""
    path = "/v1/worker/lease" if trial is None else f"/v1/worker/trials/{trial}/lease"
    return http.post(path, json=world.worker().model_dump(mode="json"))


def sent(http: httpx.Client, order: TrainOrder, kind: str, **body: Any) -> httpx.Response:
    """The answer to a report for an order."""
    fence = {"attempt": order.attempt, "token": str(order.token)}
    return http.post(f"/v1/worker/trials/{order.trial_id}/{kind}", json=fence | body)


def test_any_waiting_trial_is_leased_as_an_order_or_nothing(http, world) -> None:
    assert leased(http, world).status_code == 204
    trial = world.trial(world.search())
    answer = leased(http, world)
    assert answer.status_code == 200
    assert TrainOrder.model_validate_json(answer.content).trial_id == trial
    empty = leased(http, world)
    assert (empty.status_code, empty.content) == (204, b"")


def test_the_named_trial_is_leased_while_it_waits(http, world) -> None:
    search = world.search()
    world.trial(search)
    trial = world.trial(search)
    order = TrainOrder.model_validate_json(leased(http, world, trial).content)
    assert order.trial_id == trial
    refused = leased(http, world, trial)
    assert refused.status_code == 409
    assert refused.json()["detail"] == f"the trial {trial} is no longer waiting"
    assert leased(http, world, uuid4()).status_code == 404


def test_the_answer_to_a_result_has_the_next_order(http, world, app) -> None:
    search = world.search()
    trials = [world.trial(search) for _ in range(3)]
    worker = world.worker().model_dump(mode="json")
    order = TrainOrder.model_validate_json(http.post("/v1/worker/lease", json=worker).content)
    body = {"status": "completed", "value": 0.5, "next": worker}
    for trial, following in zip(trials, [*trials[1:], None], strict=True):
        assert order.trial_id == trial
        answers = [  # the second as if the first had been lost
            ResultAnswer.model_validate_json(sent(http, order, "result", **body).content)
            for _ in range(2)
        ]
        assert [answer.accepted for answer in answers] == [True, True]
        assert answers[0].next == answers[1].next
        assert (answers[0].next and answers[0].next.trial_id) == following
        order = answers[0].next
    world.audit()

    order = TrainOrder.model_validate_json(leased(http, world, world.trial(search)).content)
    world.trial(search)
    app.state.lanes.reports = Crowded(1, 1)
    answer = ResultAnswer.model_validate_json(sent(http, order, "result", **body).content)
    assert (answer.accepted, answer.next) == (True, None)  # other reports come first


class Full(Lane):
    """A lane whose only thread carries out a call that does not end."""

    def __init__(self, threads: int, waiting: int) -> None:
        super().__init__(threads, waiting)
        self._calls = threads


class Crowded(Lane):
    """A lane in which calls wait."""

    is_crowded = True


def test_a_trial_goes_from_its_lease_to_a_result_that_counts_once(http, world) -> None:
    trial = world.trial(world.search())
    order = TrainOrder.model_validate_json(leased(http, world).content)

    for kind, body in (("heartbeat", {"step": 7}), ("epochs", {"epoch": 1, "seconds": 2.5})):
        answer = sent(http, order, kind, **body)
        assert Answer.model_validate_json(answer.content) == Answer(action=Action.CONTINUE)
    weights = world.blob().model_dump(mode="json")
    result = {"status": "completed", "value": 0.75, "epochs": 1, "weights": weights}
    answers = [
        ResultAnswer.model_validate_json(sent(http, order, "result", **result).content)
        for _ in range(2)
    ]

    assert answers == [
        ResultAnswer(accepted=True), ResultAnswer(accepted=True, reason="duplicate")
    ]  # fmt: skip
    row = world.get(trial)
    assert (row.status, row.value, row.epochs_spent) == (TrialStatus.COMPLETED, 0.75, 1)
    world.audit()


def test_a_worker_is_told_to_stop_with_its_search(http, world) -> None:
    search = world.search()
    world.trial(search)
    order = TrainOrder.model_validate_json(leased(http, world).content)
    with world.sessions.begin() as session:
        assert searches.move(session, search, SearchStatus.STOPPED)

    for kind, body in (("heartbeat", {"step": 7}), ("epochs", {"epoch": 1, "seconds": 2.5})):
        answer = Answer.model_validate_json(sent(http, order, kind, **body).content)
        assert (answer.action, answer.reason) == (Action.STOP, "the search is stopped")


def test_a_report_without_the_lease_is_abandoned_or_refused(http, world) -> None:
    world.trial(world.search())
    order = TrainOrder.model_validate_json(leased(http, world).content)
    other = order.model_copy(update={"token": uuid4()})
    for kind, body in (("heartbeat", {"step": 7}), ("epochs", {"epoch": 1, "seconds": 2.5})):
        answer = Answer.model_validate_json(sent(http, other, kind, **body).content)
        assert answer.action is Action.ABANDON
    assert sent(http, other, "result", status="failed").status_code == 409
    gone = order.model_copy(update={"trial_id": uuid4()})
    assert sent(http, gone, "result", status="failed").status_code == 404
    assert world.get(order.trial_id).status == TrialStatus.RUNNING


@pytest.mark.parametrize("kind", ["heartbeat", "epochs", "result"])
def test_a_report_that_is_no_message_is_refused(http, world, kind) -> None:
    answer = http.post(f"/v1/worker/trials/{uuid4()}/{kind}", json={"attempt": 1})
    assert answer.status_code == 422
    assert "token" in answer.text


@pytest.mark.parametrize(
    "named",
    [
        {"weights": ("datasets", None)},
        {"export": ("weights", None)},
        {"export": ("datasets", None)},
        {"weights": ("weights", "f" * 64)},
    ],
)
def test_a_result_names_only_blobs_of_its_kind(http, world, named) -> None:
    """An export that is another person's data set would be served to the search's owner."""
    world.trial(world.search())
    order = TrainOrder.model_validate_json(leased(http, world).content)
    ((part, (kind, sha256)),) = named.items()
    blob = world.blob(kind).model_dump(mode="json")
    blob |= {} if sha256 is None else {"sha256": sha256}
    answer = sent(http, order, "result", status="completed", value=0.5, **{part: blob})
    assert answer.status_code == 422
    assert f"{part}: found the blob {blob['key']}" in answer.json()["detail"]
    assert world.get(order.trial_id).status == TrialStatus.RUNNING


HUGE = (2**31, 2**70, -(2**70))
WHOLE = {
    "heartbeat": {"step": 1},
    "epochs": {"epoch": 1, "seconds": 1},
    "result": {
        "epochs": 1, "best_epoch": 1, "parameters": 1, "value": 0, "value_std": 0, "seconds": 1,
        "samples_per_second": 1, "validation_loss": 1, "latency": 1,
    },
}  # fmt: skip


@pytest.mark.parametrize("huge", HUGE)
def test_no_number_of_a_report_is_an_error_of_ours(http, world, huge) -> None:
    search = world.search()
    blob = world.blob().model_dump(mode="json")
    exported = world.blob("exports").model_dump(mode="json")
    for kind, fields in WHOLE.items():
        for name in fields:
            world.trial(search)
            order = TrainOrder.model_validate_json(leased(http, world).content)
            body = fields | {"status": "completed", "weights": blob} | {name: huge}
            assert sent(http, order, kind, **body).status_code < 500, (kind, name)
            assert sent(http, order, kind, **body, attempt=huge).status_code < 500, kind
    parts = [("weights", blob), ("export", exported), ("test", {"metric": 1, "loss": 1})]
    for part, value in parts:
        world.trial(search)
        order = TrainOrder.model_validate_json(leased(http, world).content)
        field = "examples" if part == "test" else "bytes"
        body = {"status": "completed", "value": 0.5, "weights": blob, part: value | {field: huge}}
        assert sent(http, order, "result", **body).status_code < 500, part
    request = world.worker().model_dump(mode="json")
    for path in ("lease", f"trials/{world.trial(search)}/lease"):
        assert http.post(f"/v1/worker/{path}", json=request | {"threads": huge}).status_code < 500


def test_a_revoked_key_of_a_worker_opens_nothing_although_it_was_just_known(
    app, person, world, monkeypatch
) -> None:
    monkeypatch.setattr(known_keys, "SECONDS", 3600.0)
    worker, admin = person(Role.WORKER), person(Role.ADMIN)
    assert leased(worker.http, world).status_code == 204
    assert app.state.known_keys.find(worker.key) == worker.caller

    admin.http.delete(f"/v1/keys/{worker.caller.key_id}").raise_for_status()

    wait_for(lambda: app.state.known_keys.find(worker.key) is None)
    assert leased(worker.http, world).status_code == 401


def test_a_flood_of_requests_for_work_holds_up_no_report(app, http, world) -> None:
    trial = world.trial(world.search())
    order = TrainOrder.model_validate_json(leased(http, world, trial).content)
    state = app.state
    state.lanes.leases = Full(threads=1, waiting=0)
    state.batches = WorkerBatches(state.lanes, state.worker_engine, state.settings, state.storage)

    refused = leased(http, world)

    assert (refused.status_code, refused.headers["retry-after"]) == (503, "2")
    assert sent(http, order, "heartbeat", step=1).status_code == 200


def stored(world: Any, kind: str = "checkpoints") -> dict[str, Any]:
    """The body of a report that a checkpoint is stored."""
    return {"epoch": 2, "seconds": 3.5, "blob": world.blob(kind).model_dump(mode="json")}


def test_an_interrupted_trial_is_handed_back_and_continued_from_its_checkpoint(http, world) -> None:
    world.trial(world.search())
    first = TrainOrder.model_validate_json(leased(http, world).content)
    assert (first.checkpoint, first.checkpoint_seconds) == (None, 30.0)
    report = stored(world)

    answer = sent(http, first, "checkpoint", **report)
    assert Answer.model_validate_json(answer.content) == Answer(action=Action.CONTINUE)
    handed_back = sent(http, first, "hand-back")
    assert (handed_back.status_code, handed_back.content) == (204, b"")

    second = TrainOrder.model_validate_json(leased(http, world).content)
    assert (second.trial_id, second.attempt) == (first.trial_id, first.attempt)
    assert second.token != first.token
    assert second.checkpoint.model_dump(mode="json") == report
    assert sent(http, first, "hand-back").status_code == 409
    stale = sent(http, first, "checkpoint", **stored(world))
    assert Answer.model_validate_json(stale.content).action is Action.ABANDON
    world.audit()


def test_only_a_checkpoint_can_be_reported_as_one(http, world) -> None:
    """A replaced checkpoint is removed from the storage: it must not be another trial's weights."""
    world.trial(world.search())
    order = TrainOrder.model_validate_json(leased(http, world).content)
    refused = sent(http, order, "checkpoint", **stored(world, "weights"))
    assert refused.status_code == 422
    assert "expected a blob checkpoints/" in refused.text


def test_a_forged_result_cannot_name_what_another_search_has(app, http, world) -> None:
    """A worker that knows the hash of an export would have it served to another user."""
    storage = app.state.storage
    theirs = {
        part: storage.put(kind, b"secret " + part.encode(), "bin")
        for part, kind in (("weights", "weights"), ("export", "exports"))
    }
    other = world.search()
    columns = {
        f"{part}_{name}": getattr(blob, name)
        for part, blob in theirs.items()
        for name in ("key", "bytes")
    }
    world.trial(other, status="completed", value=0.5, ended_at=text("now()"), **columns)
    checkpoint = world.blob("checkpoints")
    world.trial(other, checkpoint_key=checkpoint.key, checkpoint_bytes=1, available_at=LATER)
    mine = world.trial(world.search())
    order = TrainOrder.model_validate_json(leased(http, world, mine).content)
    body = {"status": "completed", "value": 0.5}
    for part, blob in theirs.items():
        named = {part: blob.model_dump(mode="json")}
        replayed = proof(UUID(int=1), b"secret " + part.encode())  # under the token of a lease
        for forged in ({}, {f"{part}_proof": replayed}, {f"{part}_proof": "é"}):
            refused = sent(http, order, "result", **body, **named, **forged)
            assert refused.status_code == 422
            assert "which belongs to another user" in refused.text
    report = {"epoch": 2, "seconds": 3.5, "blob": checkpoint.model_dump(mode="json")}
    assert "checkpoint of another trial" in sent(http, order, "checkpoint", **report).text

    shown = proof(order.token, b"secret weights")  # an equal training has equal weights
    named = {"weights": theirs["weights"].model_dump(mode="json"), "weights_proof": shown}
    assert sent(http, order, "result", **body, **named).json()["accepted"]


def test_a_worker_of_an_older_release_repeats_a_search_without_a_proof(http, world) -> None:
    """Equal trainings give equal bytes, and what belongs to the same user is no secret."""
    caller, weights = world.caller(), world.blob("weights")
    columns = {"weights_key": weights.key, "weights_bytes": weights.bytes}
    world.trial(
        world.search(caller), status="completed", value=0.5, ended_at=text("now()"), **columns
    )
    mine = world.trial(world.search(caller))
    order = TrainOrder.model_validate_json(leased(http, world, mine).content)
    body = {"status": "completed", "value": 0.5, "weights": weights.model_dump(mode="json")}
    assert sent(http, order, "result", **body).json()["accepted"]


def test_a_worker_id_and_a_named_key_are_of_one_worker(app, http, person, world) -> None:
    """With another key, nobody can end the leases of a worker by asking in its name."""
    world.trial(world.search())
    worker = world.worker()
    ask = worker.model_dump(mode="json")
    assert http.post("/v1/worker/lease", json=ask).status_code == 200
    thief = person(Role.WORKER)
    restarted = ask | {"boot_id": str(uuid4())}
    refused = thief.http.post("/v1/worker/lease", json=restarted)
    assert (refused.status_code, "belongs to another key" in refused.text) == (403, True)

    admin = person(Role.ADMIN).http
    made = admin.post("/v1/keys", json={"name": "k", "role": "worker", "worker": "gpu-1"}).json()
    thief.http.headers["Authorization"] = f"Bearer {made['key']}"
    refused = thief.http.post("/v1/worker/lease", json=restarted | {"worker_id": str(uuid4())})
    assert "this key is for the worker 'gpu-1'" in refused.json()["detail"]
    named = restarted | {"worker_id": str(uuid4()), "name": "gpu-1"}
    assert thief.http.post("/v1/worker/lease", json=named).status_code == 204
    wrong = admin.post("/v1/keys", json={"name": "k", "role": "user", "worker": "gpu-1"})
    assert wrong.status_code == 422
