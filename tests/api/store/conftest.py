"""Leases of trials and reports of their ends, as statements of the hot path."""

from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import pytest

from api.store import leases, results
from tests.api.store.reports import LEASE


@pytest.fixture
def take(do: Callable[..., Any], world: Any) -> Callable[..., Any]:
    """A lease for a new worker, of any trial or of one."""

    def run(trial_id: UUID | None = None, worker: Any = None) -> Any:
        return do(leases.take, worker or world.worker(), uuid4(), LEASE, trial_id).held

    return run


@pytest.fixture
def report(do: Callable[..., Any], world: Any) -> Callable[..., Any]:
    """Reports how the trial of a lease ended; the trial's new status or None."""

    def run(held: Any, status: str = "completed", attempts: int = 3, **values: Any) -> Any:
        sent = world.result(held, status, **values)
        return do(results.end_attempt, held.trial_id, sent, b"digest", attempts)

    return run
