"""Dispatch: orders are due for trials that can be leased, and again after a pause."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import uuid4

from sqlalchemy import text

from api.models.searches import Search
from api.models.trials import Trial
from api.store import dispatch, leases
from core.protocol.states import SearchStatus


def test_an_order_is_sent_again_after_longer_and_longer_pauses(world, do) -> None:
    trial = world.trial(world.search())
    pauses = []
    for _ in range(10):
        now = world.get(trial).created_at
        world.set(Trial, trial, ring_at=now)
        assert do(dispatch.claim) == [(trial, 1)]
        assert do(dispatch.claim) == []
        row = world.get(trial)
        pauses.append(round((row.ring_at - now).total_seconds() / 5))
    assert pauses == [1, 2, 4, 8, 16, 32, 64, 128, 128, 128]


def test_only_trials_that_can_be_leased_are_ordered(world, do) -> None:
    search = world.search()
    world.trial(search)
    taken = do(leases.take, world.worker(), uuid4(), timedelta(seconds=30))
    assert taken.held is not None
    assert do(dispatch.claim) == []
    world.trial(search)
    for status in set(SearchStatus) - {SearchStatus.RUNNING, SearchStatus.FINISHING}:
        world.set(Search, search, status=status)
        assert do(dispatch.claim) == []


def test_the_longest_waiting_trial_is_ordered_first_and_no_more_than_the_limit(world, do) -> None:
    search = world.search()
    trials = [world.trial(search) for _ in range(3)]
    world.set(Trial, trials[2], available_at=text("now() - interval '1 hour'"))

    assert do(dispatch.claim, 2) == [(trials[2], 1), (trials[0], 1)]
    assert do(dispatch.claim, 2) == [(trials[1], 1)]


def test_an_order_that_could_not_be_sent_is_due_again_at_once(world, do) -> None:
    search = world.search()
    trials = [world.trial(search) for _ in range(2)]
    assert len(do(dispatch.claim)) == 2

    do(partial(dispatch.unsent, trial_ids=[trials[0]]))

    assert do(dispatch.claim) == [(trials[0], 1)]


def test_of_many_relays_at_once_one_sends_each_order(world: Any, do: Any) -> None:
    search = world.search()
    trials = {world.trial(search) for _ in range(6)}
    with ThreadPoolExecutor(4) as pool:
        claimed = [pool.submit(do, dispatch.claim) for _ in range(4)]
    found = [trial for one in claimed for trial, _ in one.result()]
    assert (len(found), set(found)) == (6, trials)
