"""The routes of workers: what each answers over HTTP, from the lease to the result."""

from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from api.roles import Role
from api.store import searches
from core.protocol.contracts import Action, Answer, ResultAnswer, TrainOrder
from core.protocol.states import SearchStatus, TrialStatus


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
