"""Changes of what a search may spend while it runs, and after."""

from datetime import timedelta

import pytest
from sqlalchemy import func

from api.controller import finisher
from api.models.searches import Search
from api.models.trials import Trial
from api.schemas.searches import LimitsIn
from api.store import budgets, live_searches, new_trials, searches, trials
from api.store.errors import Conflict, QuotaExceeded
from core.protocol.contracts.budgets import Budget
from core.protocol.states import SearchStatus, TrialKind, TrialStatus
from core.search.budget import Finish, decide

WEIGHTS = f"weights/{64 * '1'}.safetensors"
FIRST = f"exports/{64 * '0'}.zip"


def changed(world, change, *arguments, **values):
    with world.sessions.begin() as session:
        return change(session, *arguments, **values)


@pytest.mark.parametrize("before", [SearchStatus.RUNNING, SearchStatus.PAUSED])
def test_a_search_finished_early_ends_its_trials_and_spends_no_more(world, do, before) -> None:
    caller = world.caller()
    search = world.search(caller, before, budget=Budget(trials=50, seconds=7200.0), deadline=2880.0)
    world.set(Search, search, started_at=func.now() - timedelta(seconds=600))
    world.trial(
        search, status="completed", value=0.5, report_digest=b"", ended_at=func.now(),
        epochs_spent=3,
    )  # fmt: skip
    waiting = world.trial(search)

    for _ in range(2):  # the same again changes nothing
        out = changed(world, budgets.finish, caller, search)

    assert (out.status, out.reason) == ("finishing", f"finished early by {caller.name}")
    assert world.get(waiting).status == TrialStatus.STOPPED
    assert out.budget.trials == 2
    # as much for the final fit as if the trials had taken their share of the time
    assert out.budget.seconds == pytest.approx(600 / 0.4, abs=100)
    assert not changed(world, new_trials.add, search, 2, [{}])
    world.audit()


def test_a_search_finished_early_has_time_for_a_final_fit_after_a_long_trial(world) -> None:
    caller = world.caller()
    search = world.search(caller, budget=Budget(seconds=86_400.0), deadline=34_560.0)
    world.set(Search, search, started_at=func.now() - timedelta(seconds=60))
    limits = {"epochs": 9, "max_seconds": 400.0}
    world.trial(search, status="running", started_at=func.now(), hyperparameters=limits)

    out = changed(world, budgets.finish, caller, search)

    assert out.budget.seconds == pytest.approx(460 / 0.4, abs=100)


def test_a_search_without_a_value_or_a_running_trial_cannot_be_finished(world) -> None:
    caller = world.caller()
    search = world.search(caller)
    waiting = world.trial(search)
    with pytest.raises(Conflict, match="wait for the first trial, or stop"):
        changed(world, budgets.finish, caller, search)
    assert world.get(waiting).status == TrialStatus.WAITING  # nothing has changed
    world.set(Search, search, status=SearchStatus.PAUSED)
    with pytest.raises(Conflict, match="none is running: resume it and wait for the first trial"):
        changed(world, budgets.finish, caller, search)
    changed(world, searches.stop, caller, search)
    with pytest.raises(Conflict, match="the search is stopped"):
        changed(world, budgets.finish, caller, search)


def completed(world, caller, budget, **more):
    """A completed search with one trial and its final fit, which is exported."""
    search = world.search(caller, SearchStatus.FINISHING, budget=budget, **more)
    ended = {"status": "completed", "ended_at": func.now(), "report_digest": b""}
    best = world.trial(
        search, value=0.5, weights_key=f"weights/{64 * '1'}.safetensors", weights_bytes=9, **ended
    )
    world.trial(
        search, kind="final", parent_id=best, inherited=True, test_metric=0.5, test_loss=1.0,
        test_examples=9, export_key=FIRST, export_bytes=9, **ended,
    )  # fmt: skip
    changed(world, searches.move, search, SearchStatus.COMPLETED)
    return search, best


def test_a_completed_search_runs_on_and_makes_its_final_fit_again(world) -> None:
    caller = world.caller()
    search, best = completed(world, caller, Budget(trials=1), parallelism=1)
    with pytest.raises(Conflict, match="budget of the search is spent"):
        changed(world, budgets.extend, caller, search, LimitsIn(parallelism=1))
    assert world.get_search(search).status == "completed"
    with pytest.raises(QuotaExceeded):
        changed(world, budgets.extend, caller, search, LimitsIn(trials=2), 0)

    out = changed(world, budgets.extend, caller, search, LimitsIn(trials=2))

    assert (out.status, out.ended_at, out.final) == ("running", None, None)
    assert changed(world, trials.export_of, caller, search).key == FIRST
    with world.sessions.begin() as session:
        (live,) = live_searches.live(session)
    assert decide(live.progress).count == 1  # the final fit does not count as a trial
    world.trial(search, status="completed", value=0.6, ended_at=func.now(), report_digest=b"")
    world.audit()
    changed(world, searches.move, search, SearchStatus.FINISHING)
    assert changed(world, new_trials.add_final, search, 3, best)
    kinds = [trial.kind for trial in world.trials(search)]
    assert kinds == [TrialKind.SEARCH, TrialKind.FORMER, TrialKind.SEARCH, TrialKind.FINAL]
    world.audit()
    with pytest.raises(Conflict, match="extend it when it is completed"):
        changed(world, budgets.extend, caller, search, LimitsIn(trials=9))


def test_the_clock_of_an_extended_search_goes_on_from_where_its_trials_ended(world) -> None:
    caller = world.caller()
    budget = Budget(seconds=1000.0)
    search, _ = completed(world, caller, budget, deadline=400.0)
    final = world.trials(search)[-1]
    hours = timedelta(hours=5)
    world.set(Search, search, started_at=func.now() - hours - timedelta(seconds=1000))
    world.set(Trial, final.id, created_at=func.now() - hours - timedelta(seconds=600))

    out = changed(world, budgets.extend, caller, search, LimitsIn(seconds=2000.0))

    assert out.used.seconds == pytest.approx(400, abs=60)
    assert world.get_search(search).trials_deadline == 800.0


def test_a_search_is_not_reopened_while_its_final_fit_still_ends(world) -> None:
    caller = world.caller()
    search, _ = completed(world, caller, Budget(trials=1))
    world.set(Trial, world.trials(search)[-1].id, status="running")
    with pytest.raises(Conflict, match="try again in a few seconds"):
        changed(world, budgets.extend, caller, search, LimitsIn(trials=2))


def test_an_extension_overtakes_the_decision_to_finish(world) -> None:
    caller = world.caller()
    search = world.search(caller, budget=Budget(trials=1))
    world.trial(search)
    with world.sessions.begin() as session:
        (live,) = live_searches.live(session)
    changed(world, budgets.extend, caller, search, LimitsIn(trials=2))

    assert not changed(world, finisher.carry_out, live, Finish())

    assert world.get_search(search).status == "running"
