"""One of several controllers leads, and another takes over when it is gone."""

import threading
from typing import Any

from sqlalchemy import text

from api.controller.leadership import Leadership
from api.models.leases import Leader


def test_one_of_several_controllers_leads(engine: Any) -> None:
    candidates = [Leadership(engine, 30.0) for _ in range(4)]
    held: list[bool] = []
    threads = [
        threading.Thread(target=lambda one=one: held.append(one.is_held())) for one in candidates
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(held) == [False, False, False, True]


def test_a_leader_goes_on_leading(engine: Any) -> None:
    leader, other = Leadership(engine, 0.01), Leadership(engine, 30.0)

    assert leader.is_held()
    assert leader.is_held()
    leader.resign()
    assert other.is_held()
    assert not leader.is_held()


def test_a_leader_that_was_away_begins_again(world: Any, engine: Any) -> None:
    """What it heard before says nothing about the time of its absence."""
    leader = Leadership(engine, 2.0)

    def since() -> Any:
        leader._trusted_until = 0.0  # it asks the database each time
        assert leader.is_held()
        with world.sessions.begin() as session:
            return session.get_one(Leader, 1).since

    since()
    world.set(Leader, 1, since=text("now() - interval '1 hour'"))
    first = since()
    world.set(Leader, 1, expires_at=text("now() + interval '1 second'"))
    assert since() == first
    world.set(Leader, 1, expires_at=text("now() - interval '5 seconds'"))
    assert since() == first  # late on a busy machine
    world.set(Leader, 1, expires_at=text("now() - interval '11 seconds'"))
    assert since() > first


def test_a_silent_leader_is_replaced(world: Any, engine: Any) -> None:
    gone, other = Leadership(engine, 30.0), Leadership(engine, 30.0)
    assert gone.is_held()
    assert not other.is_held()

    world.set(Leader, 1, expires_at=text("now() - interval '1 second'"))

    assert other.is_held()


def test_a_controller_that_does_not_lead_cannot_resign_for_the_leader(engine: Any) -> None:
    leader, other = Leadership(engine, 30.0), Leadership(engine, 30.0)
    assert leader.is_held()

    other.resign()

    assert not other.is_held()
