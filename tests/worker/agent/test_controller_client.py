"""How the client understands each answer of the controller."""

import itertools
from uuid import uuid4

import pytest

from core.protocol.contracts.leases import LeaseRequest
from core.protocol.contracts.results import TrialOutcome
from core.protocol.states import TrialStatus
from worker.agent.controller_client import (
    ControllerClient,
    ControllerUnreachable,
    Refused,
    StaleLease,
    deliver,
    hand_back,
    pauses,
)


@pytest.fixture
def client(settings):
    made = ControllerClient(settings)
    yield made
    made.close()


@pytest.fixture
def lease_request() -> LeaseRequest:
    return LeaseRequest(worker_id=uuid4(), boot_id=uuid4(), name="tester", device="cpu")


OUTCOME = TrialOutcome(status=TrialStatus.COMPLETED, value=1.0)


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (404, StaleLease),
        (409, StaleLease),
        (410, StaleLease),
        (400, Refused),
        (413, Refused),
        (422, Refused),
        (401, ControllerUnreachable),
        (403, ControllerUnreachable),
        (429, ControllerUnreachable),
        (500, ControllerUnreachable),
        (503, ControllerUnreachable),
    ],
)
def test_each_status_raises_the_error_that_says_what_to_do(
    client, controller, status, error, monkeypatch
):
    order = controller.add("train")
    monkeypatch.setattr(controller, "answer", lambda path, body: (status, "because"))
    with pytest.raises(error, match=f"{status} because"):
        client.heartbeat(order, 1, timeout=5)


def test_a_body_that_is_no_message_is_an_error_to_retry(client, controller, monkeypatch):
    order = controller.add("train")
    monkeypatch.setattr(controller, "answer", lambda path, body: (200, "<html>welcome</html>"))
    with pytest.raises(ControllerUnreachable, match="expected a Answer"):
        client.heartbeat(order, 1, timeout=5)


def test_a_controller_that_is_not_there_is_unreachable(client, controller, lease_request):
    controller.close()
    with pytest.raises(ControllerUnreachable, match="ConnectError"):
        client.lease(lease_request)


def test_a_wrong_address_does_not_look_like_a_lack_of_work(
    client, controller, lease_request, monkeypatch
):
    monkeypatch.setattr(controller, "answer", lambda path, body: (404, "no such page"))
    with pytest.raises(StaleLease):
        client.lease(lease_request)


def test_a_result_that_is_refused_becomes_a_failure_that_counts(client, controller, monkeypatch):
    order = controller.add("train")
    answer = controller.answer

    def picky(path: str, body: bytes) -> tuple[int, str]:
        return (422, "no such status") if b"completed" in body else answer(path, body)

    monkeypatch.setattr(controller, "answer", picky)
    assert deliver(client, order, OUTCOME, pause=lambda seconds: False).accepted
    (result,) = controller.results[order.trial_id]
    assert (result.status, result.retry) == (TrialStatus.FAILED, True)
    assert "no such status" in result.reason


@pytest.mark.parametrize("status", [404, 409, 422])
def test_a_result_that_cannot_count_is_dropped(client, controller, status, monkeypatch):
    order = controller.add("train")
    monkeypatch.setattr(controller, "answer", lambda path, body: (status, ""))
    assert deliver(client, order, OUTCOME, pause=lambda seconds: False) is None


def test_a_result_is_repeated_until_it_is_answered(client, controller):
    order = controller.add("train")
    controller.down = True
    waited: list[float] = []

    def pause(seconds: float) -> bool:
        waited.append(seconds)
        controller.down = len(waited) < 4
        return False

    answer = deliver(client, order, OUTCOME, pause)
    assert answer is not None
    assert answer.accepted
    assert len(waited) == 4


@pytest.mark.parametrize(
    ("demand", "seconds"), [("60", 60.0), ("86400", 300.0), ("", 0.0), ("²", 0.0), ("soon", 0.0)]
)
def test_the_controller_demands_a_pause_within_reason(client, controller, demand, seconds):
    order = controller.add("train")
    controller.down, controller.retry_after = True, demand.encode().decode("latin-1")
    with pytest.raises(ControllerUnreachable) as caught:
        client.heartbeat(order, 1, timeout=5)
    assert caught.value.retry_after == seconds


def test_a_result_waits_as_long_as_the_controller_demands(client, controller):
    order = controller.add("train")
    controller.down, controller.retry_after = True, "60"
    waited: list[float] = []

    def pause(seconds: float) -> bool:
        waited.append(seconds)
        controller.down = False
        return False

    answer = deliver(client, order, OUTCOME, pause)
    assert answer is not None
    assert answer.accepted
    assert waited == [60.0]


def test_a_result_is_given_up_when_the_worker_must_end(client, controller):
    order = controller.add("train")
    controller.down = True
    assert deliver(client, order, OUTCOME, pause=lambda seconds: True) is None


def test_pauses_grow_to_their_longest_with_jitter():
    taken = list(itertools.islice(pauses(first=1.0, longest=8.0), 200))
    assert 0.5 <= taken[0] <= 1.5
    assert max(taken) <= 12.0
    assert min(taken[4:]) >= 4.0
    assert len(set(taken)) > 150


def test_the_key_is_never_shown(settings):
    assert "netmorph_k" not in repr(settings)


def test_a_trial_is_handed_back_once_the_controller_answers(client, controller):
    order = controller.add("train")
    controller.down = True
    paused = []

    def pause(seconds: float) -> bool:
        paused.append(seconds)
        controller.down = len(paused) < 4
        return False

    assert hand_back(client, order, pause)
    assert controller.handed_back == [order.trial_id]
    assert len(paused) == 4


def test_a_trial_that_another_worker_has_is_not_handed_back(client, controller):
    order = controller.add("train")
    controller.stale.add(order.trial_id)
    assert not hand_back(client, order, pause=lambda seconds: False)


def test_a_worker_is_heard_in_time_after_an_outage(client, controller):
    """The controller waits a third of the lease for it; a request may take some of that."""
    controller.lease_seconds = 6.0
    order = controller.add("train")
    controller.down = True
    paused: list[float] = []

    def pause(seconds: float) -> bool:
        paused.append(seconds)
        return len(paused) == 30

    assert deliver(client, order, OUTCOME, pause) is None
    assert max(paused) < 6.0 / 3
