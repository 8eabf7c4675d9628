"""The values between a search and its strategy: past trials, requests and suggestions."""

from typing import Any
from uuid import UUID

import numpy as np
import pytest

from benchmarks.histories import SPEC
from core.graph.roots import roots
from core.protocol.contracts.bounds import Bounds
from core.protocol.contracts.training_choices import TrainingChoices
from core.protocol.states import TrialStatus
from core.search.history import USUAL, PastTrial, Suggestion, SuggestRequest

ROOT = roots(SPEC, Bounds())[0]


def trial(status: TrialStatus, **values: Any) -> PastTrial:
    return PastTrial(trial_id=UUID(int=1), number=0, architecture=ROOT, status=status, **values)


def test_a_trial_that_was_stopped_early_has_a_part_of_its_training():
    stopped = trial(TrialStatus.STOPPED, value=0.5, epochs=3, planned_epochs=12)

    assert stopped.fidelity == 0.25


def test_a_completed_trial_has_its_full_training_even_after_few_epochs():
    assert trial(TrialStatus.COMPLETED, value=0.5, epochs=3, planned_epochs=12).fidelity == 1


@pytest.mark.parametrize(
    "epochs", [{}, {"epochs": 3}, {"planned_epochs": 12}, {"epochs": 15, "planned_epochs": 12}]
)
def test_a_stopped_trial_of_unknown_share_counts_as_fully_trained(epochs):
    assert trial(TrialStatus.STOPPED, value=0.5, **epochs).fidelity == 1


def numbered(number: int, status: TrialStatus, **values: Any) -> PastTrial:
    return PastTrial(
        trial_id=UUID(int=number), number=number, architecture=ROOT, status=status, **values
    )


def test_a_child_is_trained_under_the_choices_of_its_parent():
    choices = TrainingChoices(mixing=0.4)
    parent = trial(TrialStatus.COMPLETED, value=0.5, inheritable=True, choices=choices)
    child = Suggestion.child(parent, (), ROOT, predicted_mean=0.6)
    assert (child.choices, child.parent_id) == (choices, parent.trial_id)
    assert (child.predicted_mean, child.predicted_std) == (0.6, None)


def test_a_root_has_no_parent_and_the_usual_choices():
    root = Suggestion(architecture=ROOT)
    assert (root.parent_id, root.morphisms, root.choices) == (None, (), USUAL)


def test_trials_with_weights_may_be_parents_or_all_trials_where_none_has_weights():
    completed = [
        numbered(0, TrialStatus.COMPLETED, inheritable=True),
        numbered(1, TrialStatus.INFEASIBLE),
    ]
    pending = [numbered(2, TrialStatus.RUNNING)]
    rng = np.random.default_rng(0)
    request = SuggestRequest(completed=completed, pending=pending, bounds=Bounds(), rng=rng)
    assert [one.number for one in request.parents] == [0]
    assert [one.number for one in request.trials] == [0, 1, 2]
    assert request.fingerprints == {ROOT.fingerprint}
    lost = SuggestRequest(completed=completed[1:], pending=pending, bounds=Bounds(), rng=rng)
    assert lost.with_weights == []
    assert [one.number for one in lost.parents] == [1, 2]
