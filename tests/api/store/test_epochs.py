"""Pages of epochs: none is lost or on two pages, also while trials report further ones."""

from typing import Any
from uuid import UUID

import pytest

from api.models.trials import Epoch
from api.schemas.epochs import EpochOut
from api.store import epochs, pages, training_reports
from core.errors import InvalidInput
from tests.api.store.reports import LEASE, epoch_of

LIMIT = 4


@pytest.fixture
def train(do: Any) -> Any:
    """Reports further epochs of a lease."""

    def run(held: Any, *numbers: int) -> None:
        for number in numbers:
            do(
                training_reports.epoch,
                held.trial_id,
                epoch_of(held, number, seconds=float(number)),
                LEASE,
            )

    return run


def add(world: Any, trial_id: UUID, attempt: int, *numbers: int) -> None:
    """Store epochs of an attempt."""
    with world.sessions.begin() as session:
        for number in numbers:
            session.add(Epoch(trial_id=trial_id, attempt=attempt, epoch=number, seconds=1.0))


def in_pages(world: Any, page_of: Any, caller: Any, of: UUID, between: Any) -> list[EpochOut]:
    """The epochs of all pages; something happens before each further one."""
    found: list[EpochOut] = []
    cursor = None
    while True:
        with world.sessions.begin() as session:
            page = page_of(session, caller, of, limit=LIMIT, cursor=cursor)
        found += page.items
        cursor = page.next_cursor
        assert len(page.items) == LIMIT or cursor is None
        if cursor is None:
            return found
        between()


def test_pages_of_a_trial_have_each_epoch_once_while_it_reports_more(world, take, train) -> None:
    caller = world.caller()
    trial = world.trial(world.search(caller))
    held = take(trial)
    train(held, *range(1, 7))
    reports = iter([(7, 8, 9), (10, 11, 12)])

    def go_on() -> None:
        train(held, *next(reports))

    found = in_pages(world, epochs.page_of_trial, caller, trial, go_on)
    assert [one.epoch for one in found] == list(range(1, 13))
    assert {(one.trial_id, one.attempt) for one in found} == {(trial, 1)}


def test_epochs_that_are_reported_again_or_removed_move_no_others(world, take, train) -> None:
    caller = world.caller()
    trial = world.trial(world.search(caller))
    held = take(trial)
    train(held, *range(1, 10))

    def again() -> None:
        train(held, 2, 3)  # on the first page
        with world.sessions.begin() as session:
            if first := session.get(Epoch, (trial, 1, 1)):
                session.delete(first)

    found = in_pages(world, epochs.page_of_trial, caller, trial, again)
    assert [one.epoch for one in found] == list(range(1, 10))


def test_epochs_of_a_trial_come_attempt_by_attempt(world) -> None:
    caller = world.caller()
    trial = world.trial(world.search(caller))
    add(world, trial, 2, 1, 2, 3)
    add(world, trial, 1, *range(1, 8))
    found = in_pages(world, epochs.page_of_trial, caller, trial, lambda: None)
    expected = [(1, epoch) for epoch in range(1, 8)] + [(2, epoch) for epoch in (1, 2, 3)]
    assert [(one.attempt, one.epoch) for one in found] == expected


def test_pages_of_a_search_have_each_epoch_once_trial_by_trial(world) -> None:
    caller = world.caller()
    search = world.search(caller)
    made = [world.trial(search) for _ in range(3)]
    for trial in reversed(made):
        add(world, trial, 1, *range(1, 6))
    add(world, made[1], 2, 1, 2)
    add(world, world.trial(world.search(caller)), 1, 1)  # of another search
    added = iter(range(6, 99))

    def go_on() -> None:
        number = next(added)
        for trial in made:
            add(world, trial, 1, number)

    found = in_pages(world, epochs.page_of_search, caller, search, go_on)
    keys = [(made.index(one.trial_id), one.attempt, one.epoch) for one in found]
    assert keys == sorted(set(keys))
    before = [(trial, 1, epoch) for trial in range(3) for epoch in range(1, 6)]
    assert set(before) | {(1, 2, 1), (1, 2, 2)} <= set(keys)


@pytest.mark.parametrize("count", [0, 1, LIMIT, LIMIT + 1])
def test_only_a_full_page_with_more_after_it_has_a_cursor(world, count) -> None:
    caller = world.caller()
    search = world.search(caller)
    trial = world.trial(search)
    add(world, trial, 1, *range(1, count + 1))
    with world.sessions.begin() as session:
        for page in (
            epochs.page_of_trial(session, caller, trial, limit=LIMIT),
            epochs.page_of_search(session, caller, search, limit=LIMIT),
        ):
            assert len(page.items) == min(count, LIMIT)
            assert (page.next_cursor is not None) == (count > LIMIT)


def test_the_cursor_of_another_list_is_refused_and_no_number_is_too_large(world) -> None:
    caller = world.caller()
    search = world.search(caller)
    trial = world.trial(search)
    add(world, trial, 1, 1)
    huge = 10**30
    with world.sessions.begin() as session:
        for page_of, of, length in (
            (epochs.page_of_trial, trial, 2),
            (epochs.page_of_search, search, 3),
        ):
            for other in {1, 2, 3} - {length}:
                with pytest.raises(InvalidInput, match="belongs to another list"):
                    page_of(session, caller, of, limit=1, cursor=pages.encode(*[1] * other))
            last = pages.encode(*[huge] * length)
            assert page_of(session, caller, of, limit=1, cursor=last).items == []
            first = pages.encode(*[-huge] * length)
            assert len(page_of(session, caller, of, limit=1, cursor=first).items) == 1
