"""The metrics for Prometheus: what the page says after leases, results and deletions."""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import delete, text

from api import instruments
from api.models.leases import Leader
from api.models.searches import Search
from api.models.workers import Worker
from api.store import discarded, endings, leases
from api.store.errors import Conflict, NotFound
from api.store.metrics import MetricsPage, trials_by_status
from core.protocol.states import LIVE_TRIAL, SearchStatus, TrialStatus
from tests.api.store.reports import LEASE
from tests.clock import Clock


class Page:
    """A metrics page, its clock, and its samples by name and sorted labels."""

    def __init__(self, world: Any) -> None:
        self._world = world
        self.clock = Clock()
        self._page = MetricsPage(self.clock)

    def read(self) -> dict[str, dict[tuple[str, ...], float]]:
        with self._world.sessions.begin() as session:
            page = self._page.text(session).decode()
        found: dict[str, dict[tuple[str, ...], float]] = {}
        for family in text_string_to_metric_families(page):
            for sample in family.samples:
                found.setdefault(sample.name, {})[tuple(sample.labels.values())] = sample.value
        return found


@pytest.fixture
def page(world: Any) -> Page:
    return Page(world)


@pytest.fixture
def counted(page: Page) -> Callable[..., dict[tuple[str, ...], float]]:
    """Runs an action; how much the samples of a name have grown by it."""

    def run(name: str, action: Callable[[], Any]) -> dict[tuple[str, ...], float]:
        before = page.read().get(name, {})
        action()
        after = page.read().get(name, {})
        grown = {labels: value - before.get(labels, 0) for labels, value in after.items()}
        return {labels: value for labels, value in grown.items() if value}

    return run


def test_every_declared_metric_is_on_the_page_and_no_other(world, page) -> None:
    search = world.search()
    world.trial(search)
    instruments.SUGGESTION.labels("random").observe(1)
    instruments.HTTP_REQUEST.labels("GET /healthz", "2xx").observe(1)
    instruments.TRIAL_DURATION.labels("completed").observe(1)
    names = {
        name.removesuffix("_bucket").removesuffix("_created")
        for name in page.read()
        if name.startswith("netmorph_") and not name.endswith(("_sum", "_count", "_created"))
    }
    without_rows = {
        "netmorph_workers",
        "netmorph_worker_idle_seconds_total",
        "netmorph_memory_exceeded_bytes",
    }
    assert names == set(instruments.METRICS) - without_rows


def test_searches_and_trials_are_counted_by_status(world, page, take, report) -> None:
    search = world.search()
    world.search(status=SearchStatus.PAUSED)
    for _ in range(3):
        world.trial(search)
    take()
    report(take(), "completed")

    found = page.read()
    assert found["netmorph_searches"][("running",)] == found["netmorph_searches"][("paused",)] == 1
    assert found["netmorph_searches"][("failed",)] == 0
    assert {key[0]: value for key, value in found["netmorph_trials"].items()} == dict.fromkeys(
        TrialStatus, 0
    ) | {"waiting": 1, "running": 1, "completed": 1}


def test_the_oldest_wait_ignores_trials_that_are_not_ready(world, page) -> None:
    search = world.search()
    world.trial(search, available_at=text("now() + interval '1 hour'"))
    assert page.read()["netmorph_oldest_wait_seconds"] == {(): 0}
    world.trial(search, available_at=text("now() - interval '5 minutes'"))
    page.clock.now += 5
    assert 300 <= page.read()["netmorph_oldest_wait_seconds"][()] < 330


def test_workers_are_counted_by_state_and_device_and_idle_seconds_add_up(world, page, do) -> None:
    trial = world.trial(world.search())
    busy, idle, gone = (world.worker(name) for name in ("busy", "idle", "gone"))
    gpu = idle.model_copy(update={"worker_id": uuid4(), "device": "H100"})
    do(leases.take, busy, uuid4(), LEASE, trial)
    for worker in (idle, gone, gpu):
        do(leases.take, worker, uuid4(), LEASE)
    world.set(Worker, gone.worker_id, seen_at=text("now() - interval '2 minutes'"))

    found = page.read()
    assert found["netmorph_workers"] == {
        ("cpu", "busy"): 1, ("cpu", "idle"): 1, ("H100", "busy"): 0, ("H100", "idle"): 1,
    }  # fmt: skip
    page.clock.now += 7
    assert page.read()["netmorph_worker_idle_seconds_total"] == {("cpu",): 7, ("H100",): 7}


def test_a_busy_worker_counts_while_its_lease_is_renewed(world, page, take) -> None:
    world.trial(world.search())
    worker = world.worker()
    take(worker=worker)
    world.set(Worker, worker.worker_id, seen_at=text("now() - interval '1 hour'"))
    assert page.read()["netmorph_workers"][("cpu", "busy")] == 1


def test_the_bytes_of_blobs_are_added_up_by_kind(world, page, take, report) -> None:
    search = world.search()
    world.trial(search)
    report(take(), weights=world.blob())
    world.trial(search)
    report(take(), weights=world.blob(), export=world.blob("exports"))
    other = world.search()
    world.trial(other)
    report(take(), weights=world.blob())
    with world.sessions.begin() as session:
        discarded.of_search(session, other)
        session.execute(delete(Search).where(Search.id == other))

    found = page.read()["netmorph_blob_bytes"]
    assert found == {("datasets",): 20, ("weights",): 20, ("exports",): 10, ("discarded",): 10}


def test_the_page_says_whether_a_controller_leads(world, page, engine) -> None:
    assert page.read()["netmorph_controllers"] == {(): 0}
    with world.sessions.begin() as session:
        session.add(Leader(holder=uuid4(), expires_at=text("now() + interval '10 s'")))
    page.clock.now += 5
    assert page.read()["netmorph_controllers"] == {(): 1}


def test_the_page_names_the_version_and_the_revision_and_the_pool(page) -> None:
    found = page.read()
    ((revision, version),) = found["netmorph_build_info"]
    assert version
    assert revision[:4].isdigit()
    assert found["netmorph_pool_connections"] == {("used",): 1, ("limit",): 16}


def test_the_database_is_asked_again_only_after_a_while(world, page) -> None:
    search = world.search()
    page.read()
    world.trial(search)
    page.clock.now += 4.9
    assert page.read()["netmorph_trials"][("waiting",)] == 0
    page.clock.now += 0.1
    assert page.read()["netmorph_trials"][("waiting",)] == 1


def test_live_trials_are_counted_by_an_index(world) -> None:
    with world.sessions.begin() as session:
        session.execute(text("SET LOCAL enable_seqscan = off"))
        plan = session.scalars(text(f"EXPLAIN {trials_by_status(LIVE_TRIAL)}"))
        assert "ix_trials_live" in "\n".join(plan)


def test_endings_are_counted_by_outcome_and_reason(world, do, take, counted, calls) -> None:
    search = world.search()
    silent, restarted, done = (world.trial(search) for _ in range(3))

    def end() -> None:
        take(silent)
        world.overdue(silent)
        do(endings.expire, 1)
        worker = world.worker()
        take(restarted, worker)
        do(endings.release, worker.model_copy(update={"boot_id": uuid4()}), 3)
        order = calls.lease(world.worker(), done)
        calls.result(done, world.result(order, seconds=4.0, samples_per_second=250.0))

    assert counted("netmorph_attempts_ended_total", end) == {
        ("lost",): 1, ("retried",): 1, ("completed",): 1,
    }  # fmt: skip


@pytest.mark.parametrize(("reason", "ending"), [("silent", "expire"), ("restarted", "release")])
def test_leases_that_expire_are_counted_by_reason(world, do, take, counted, reason, ending) -> None:
    worker = world.worker()
    trial = world.trial(world.search())
    take(trial, worker)
    world.overdue(trial)
    other_boot = worker.model_copy(update={"boot_id": uuid4()})
    arguments = {"expire": (3,), "release": (other_boot, 3)}[ending]
    grown = counted(
        "netmorph_leases_expired_total", lambda: do(getattr(endings, ending), *arguments)
    )
    assert grown == {(reason,): 1}


def test_results_that_do_not_count_are_counted_by_reason(world, counted, calls) -> None:
    search = world.search()
    first, second = world.trial(search), world.trial(search)

    def reject() -> None:
        order = calls.lease(world.worker(), first)
        sent = world.result(order)
        calls.result(first, sent)
        calls.result(first, sent)
        with pytest.raises(Conflict):
            calls.result(first, sent.model_copy(update={"token": uuid4()}))
        with pytest.raises(NotFound):
            calls.result(uuid4(), sent)
        calls.result(second, world.result(calls.lease(world.worker(), second), value=7.0))

    assert counted("netmorph_results_rejected_total", reject) == {
        ("duplicate",): 1, ("no_lease",): 1, ("unknown_trial",): 1, ("impossible_value",): 1,
    }  # fmt: skip


def test_waits_durations_and_examples_are_measured(world, counted, calls) -> None:
    search = world.search()

    def train() -> None:
        trial = world.trial(search, available_at=text("now() - interval '30 s'"))
        order = calls.lease(world.worker(), trial)
        calls.result(trial, world.result(order, seconds=4.0, samples_per_second=250.0))

    assert 30 <= counted("netmorph_trial_wait_seconds_sum", train)[()] < 60
    assert counted("netmorph_trial_duration_seconds_sum", train) == {("completed",): 4}
    assert counted("netmorph_examples_trained_total", train) == {(): 1000}


def test_an_impossible_report_does_not_hide_the_others(world, counted, calls) -> None:
    search = world.search()

    def train(seconds: float) -> None:
        order = calls.lease(world.worker(), world.trial(search))
        calls.result(order.trial_id, world.result(order, seconds=seconds, samples_per_second=1e30))

    train(1e30)
    found = counted("netmorph_trial_duration_seconds_sum", lambda: train(4.0))
    assert found == {("completed",): 4}
