"""The events that become deliveries, in the transactions in which they happen."""

import threading

from sqlalchemy import delete, select, text

from api.models.searches import Search
from api.models.webhooks import Delivery, Webhook
from api.roles import Role
from api.store import deliveries, results, searches
from core.protocol.states import SearchStatus
from tests.waiting import wait_for


def hook(world, caller, *events: str) -> None:
    with world.sessions.begin() as session:
        session.add(
            Webhook(owner_id=caller.key_id, name="x", url="https://h.invalid", events=list(events),
                    secret=b"s")
        )  # fmt: skip


def noted(world) -> list[tuple[str, object]]:
    with world.sessions.begin() as session:
        found = session.scalars(select(Delivery).order_by(Delivery.created_at)).all()
        return [(one.event, one.data.get("value", one.data.get("status"))) for one in found]


def waiting(world) -> int:
    """How many statements wait for a lock of another transaction."""
    query = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
    with world.sessions.begin() as session:
        return int(session.execute(text(query)).scalar_one())


def test_each_new_best_value_is_noted_once_and_the_others_are_not(world, take, report) -> None:
    caller, other = world.caller(), world.caller()
    hook(world, caller, "trial.best")
    hook(world, caller, "search.failed")
    hook(world, other, "trial.best")
    search = world.search(caller)
    for value, status in ((0.5, "completed"), (0.5, "completed"), (0.4, "stopped"),
                          (None, "infeasible"), (0.75, "stopped")):  # fmt: skip
        trial = world.trial(search)
        lease = take()
        report(lease, status, value=value)
        report(lease, status, value=value)  # which counts once
        assert world.get(trial).value == value
    world.search(world.caller(Role.ADMIN))
    assert noted(world) == [("trial.best", 0.5), ("trial.best", 0.75)]


def test_of_results_that_come_together_the_best_one_is_noted(world, take, do) -> None:
    caller = world.caller()
    hook(world, caller, "trial.best")
    search = world.search(caller)
    calls = []
    for value in (0.5, 0.75, 0.75, 0.25):
        trial = world.trial(search)
        calls.append((trial, world.result(take(trial), value=value)))

    do(results.accept_together, calls, 3)

    assert noted(world) == [("trial.best", 0.75)]


def test_a_best_value_is_noted_as_the_metric_that_people_read(world, take, report) -> None:
    caller = world.caller()
    hook(world, caller, "trial.best")
    search = world.search(caller)
    world.set(Search, search, config=world.get_search(search).config | {"metric": "log-loss"})
    for value in (-0.5, -0.75, -0.25):  # of which more is better
        world.trial(search)
        report(take(), "completed", value=value)
    assert noted(world) == [("trial.best", 0.5), ("trial.best", 0.25)]


def test_the_end_of_a_search_is_noted_with_its_commit_alone(world) -> None:
    caller = world.caller()
    hook(world, caller, "search.completed", "search.failed", "search.stopped")
    hook(world, caller, "search.completed")
    search = world.search(caller)
    with world.sessions() as session:
        searches.stop(session, caller, search)
        session.rollback()
    assert noted(world) == []
    with world.sessions.begin() as session:
        assert searches.move(session, search, SearchStatus.FAILED, reason="no data")
        assert not searches.move(session, search, SearchStatus.STOPPED)
        searches.remove(session, caller, search)
    assert noted(world) == [("search.failed", "failed")]
    with world.sessions.begin() as session:
        (claimed,) = deliveries.claim(session, 5)
    assert claimed.data["reason"] == "no data", "the search may be deleted before it is sent"


def test_a_webhook_that_is_deleted_meanwhile_is_no_error_of_the_result(world, take, report) -> None:
    caller = world.caller()
    hook(world, caller, "trial.best")
    trial = world.trial(world.search(caller))
    lease = take()
    counted = threading.Thread(target=report, args=[lease])
    with world.sessions.begin() as session:
        session.execute(delete(Webhook))
        counted.start()
        wait_for(lambda: waiting(world))
    counted.join()
    assert world.get(trial).status == "completed"
    assert noted(world) == []
