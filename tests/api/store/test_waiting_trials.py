"""The queue: its numbers for its owner, for a stranger and for an admin."""

from datetime import timedelta
from typing import Any

from sqlalchemy import text

from api.roles import Role
from api.schemas.queue import QueueStatsOut
from api.store import waiting_trials
from api.store.keys import Caller


def stats(world: Any, caller: Caller) -> QueueStatsOut:
    with world.sessions.begin() as session:
        return waiting_trials.stats(session, caller)


def test_the_queue_counts_what_workers_could_take_and_train_for_the_caller(world, take) -> None:
    owner, stranger, admin = world.caller(), world.caller(), world.caller(Role.ADMIN)
    empty = QueueStatsOut(waiting=0, running=0, workers_needed=0, oldest_wait=0, live_workers={})
    assert [stats(world, one) for one in (owner, stranger, admin)] == [empty] * 3

    search = world.search(owner)
    trials = [world.trial(search) for _ in range(4)]
    take(trials[0])
    world.trial(world.search(stranger))
    move = text("UPDATE trials SET available_at = now() + :by WHERE id = :id")
    with world.engine.begin() as connection:
        for trial, minutes in ((trials[1], -10), (trials[2], 10)):  # ready for long, and not yet
            connection.execute(move, {"by": timedelta(minutes=minutes), "id": trial})

    found = stats(world, owner)
    assert 600 <= found.oldest_wait < 700
    assert found == QueueStatsOut(
        waiting=2, running=1, workers_needed=3, oldest_wait=found.oldest_wait,
        live_workers={"cpu": 1},
    )  # fmt: skip
    others = [stats(world, one) for one in (stranger, admin)]
    assert [(one.waiting, one.running, one.workers_needed) for one in others] == [
        (1, 0, 1), (3, 1, 4),
    ]  # fmt: skip
    assert {tuple(one.live_workers.items()) for one in others} == {(("cpu", 1),)}
