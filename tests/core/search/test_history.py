"""What a strategy knows of an earlier trial."""

from typing import Any
from uuid import UUID

import pytest

from core.graph.roots import roots
from core.protocol.contracts import Bounds
from core.protocol.states import TrialStatus
from core.search.history import PastTrial
from tests.histories import SPEC

ROOT = roots(SPEC, Bounds())[0]


def trial(status: TrialStatus, **values: Any) -> PastTrial:
    return PastTrial(trial_id=UUID(int=1), number=0, architecture=ROOT, status=status, **values)


def test_a_trial_stopped_early_tells_a_part():
    stopped = trial(TrialStatus.STOPPED, value=0.5, epochs=3, planned_epochs=12)

    assert stopped.fidelity == 0.25


def test_a_completed_trial_tells_all_however_few_its_epochs():
    assert trial(TrialStatus.COMPLETED, value=0.5, epochs=3, planned_epochs=12).fidelity == 1


@pytest.mark.parametrize(
    "epochs", [{}, {"epochs": 3}, {"planned_epochs": 12}, {"epochs": 15, "planned_epochs": 12}]
)
def test_a_stopped_trial_of_which_no_more_is_known_counts_as_whole(epochs):
    assert trial(TrialStatus.STOPPED, value=0.5, **epochs).fidelity == 1
