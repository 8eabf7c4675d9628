"""Trials repeated on other validation splits: which are made, and what they change."""

import math
from dataclasses import replace
from uuid import UUID

import numpy as np
import pytest

from core.graph.roots import all_roots
from core.protocol.contracts.bounds import Bounds
from core.protocol.contracts.budgets import Budget
from core.protocol.contracts.datasets import DatasetSpec
from core.protocol.contracts.search_config import SearchConfig
from core.protocol.contracts.training import Training
from core.protocol.contracts.training_choices import TrainingChoices
from core.protocol.states import TrialStatus
from core.search import race
from core.search.defaults import is_in_race
from core.search.history import PastTrial, Suggestion
from core.search.lineage import Goal
from core.search.repeats import comparable, missing_repeats, pooled
from core.search.splits import split_seeds
from core.search.step import Snapshot, step
from core.search.trial_training import (
    trial_hyperparameters,
)
from tests.core.search.test_tuning import ROOT, SIGNALS, WARP, trial

SEEDS = (1, 2)
ROOTS = tuple(all_roots(SIGNALS, Bounds()).values())[:2]


def on(seed: int, choices: TrainingChoices | None = None) -> TrainingChoices:
    return (choices or TrainingChoices()).model_copy(update={"split_seed": seed})


def repeats(root: PastTrial) -> list[PastTrial]:
    return [trial(seed, choices=on(seed), value=0.8 + seed / 10) for seed in SEEDS]


def test_a_root_is_repeated_on_each_other_split():
    found = missing_repeats([trial(0)], SEEDS, 5)
    assert [one.choices for one in found] == [on(1), on(2)]
    assert all(one.parent is None and one.architecture == ROOT for one in found)
    assert len(missing_repeats([trial(0)], SEEDS, 1)) == 1
    assert [one.choices for one in missing_repeats([trial(0), repeats(trial(0))[0]], SEEDS, 5)] == [
        on(2)
    ]
    assert missing_repeats([trial(0)], (), 5) == []


def test_a_network_with_weights_of_a_user_is_not_repeated_from_random_ones():
    assert missing_repeats([replace(trial(0), network_id=UUID(int=7))], SEEDS, 5) == []


@pytest.mark.parametrize("choices", [TrainingChoices(), WARP])
def test_a_continued_training_is_repeated_from_the_repeat_of_its_parent(choices):
    root = trial(0)
    trials = [root, *repeats(root), trial(3, root, choices=choices)]
    found = missing_repeats(trials, SEEDS, 5)
    assert [(one.parent.number, one.choices) for one in found] == [
        (seed, on(seed, choices)) for seed in SEEDS
    ]


@pytest.mark.parametrize(
    "facts",
    [
        {"status": TrialStatus.RUNNING, "value": None, "inheritable": False},
        {"status": TrialStatus.FAILED, "value": None, "inheritable": False},
    ],
)
def test_without_weights_on_a_split_nothing_is_continued_there(facts):
    root = trial(0)
    first, second = repeats(root)
    trials = [root, replace(first, **facts), second, trial(3, root)]
    assert [one.parent.number for one in missing_repeats(trials, SEEDS, 5)] == [2]


def test_failed_trials_and_children_by_morphisms_are_not_repeated():
    root = trial(0)
    trials = [root, *repeats(root), trial(3, root, morphisms=("any",))]
    assert missing_repeats(trials, SEEDS, 5) == []
    failed = trial(0, status=TrialStatus.FAILED, value=None, inheritable=False)
    assert missing_repeats([failed], SEEDS, 5) == []


def test_the_mean_over_the_splits_replaces_the_value_on_the_first():
    root = trial(0, value=0.6, value_std=0.03, validation_loss=0.9)
    others = [
        trial(1, choices=on(1), value=0.9, value_std=0.04, validation_loss=0.3),
        trial(2, choices=on(2), value=0.9, value_std=0.0, validation_loss=0.6),
    ]
    (found,) = pooled([root, *others])
    assert found.trial_id == root.trial_id
    assert found.choices == TrainingChoices()
    assert (found.value, found.validation_loss) == (pytest.approx(0.8), pytest.approx(0.6))
    assert found.value_std == pytest.approx(math.sqrt(0.03**2 + 0.04**2) / 3)


def test_a_running_repeat_is_waited_for_and_a_failed_one_is_ignored():
    root = trial(0)
    running = trial(1, choices=on(1), status=TrialStatus.RUNNING, value=None)
    assert pooled([root, running]) == (root, running)
    assert race.promotions([root, running], ROOTS, 2, 2) == []
    failed = replace(running, status=TrialStatus.FAILED)
    assert pooled([root, failed])[0] == root


def test_repeats_of_a_trial_without_a_value_stand_for_themselves():
    root = trial(0, status=TrialStatus.FAILED, value=None, inheritable=False)
    other = trial(1, choices=on(1))
    assert pooled([root, other]) == (root, other)


def test_the_root_with_the_best_mean_wins_not_the_luckiest_one():
    first, second = ROOTS
    values = {(0, 0): 0.9, (0, 1): 0.5, (0, 2): 0.5, (1, 0): 0.8, (1, 1): 0.8, (1, 2): 0.8}
    trials = [
        trial(
            number,
            architecture=ROOTS[root],
            choices=on(split) if split else TrainingChoices(),
            value=value,
            validation_loss=1 - value,
        )
        for number, ((root, split), value) in enumerate(values.items())
    ]
    best = race.chosen(comparable(trials, None))
    assert best.architecture == second != first
    assert best.choices == TrainingChoices()


def test_other_choices_do_not_win_before_they_were_tried_on_every_split():
    root = trial(0)
    others = [replace(one, value=0.8) for one in repeats(root)]
    usual = [
        trial(3 + number, parent, choices=parent.choices, value=0.85, validation_loss=0.4)
        for number, parent in enumerate([root, *others])
    ]
    warped = [
        trial(6 + number, parent, choices=on(seed, WARP) if seed else WARP, value=0.9,
              validation_loss=0.2)
        for number, (seed, parent) in enumerate(zip((0, *SEEDS), (root, *others), strict=True))
    ]  # fmt: skip
    for tried, winner in ((1, 3), (2, 3), (3, 6)):
        trials = comparable([root, *others, *usual, *warped[:tried]], None)
        assert race.chosen(trials).number == winner


@pytest.mark.parametrize("count", [1, 3])
def test_no_lineage_changes_its_split(count):
    """A network would be validated on examples that it was trained on."""
    rng = np.random.default_rng(0)
    trials: list[PastTrial] = []
    while len(trials) < 24:
        for one in step(snapshot(trials, count)):
            parent = one.parent
            trials.append(ended(len(trials), one, float(rng.uniform(0.5, 0.9))))
            if parent is not None:
                assert parent.choices.split_seed == one.choices.split_seed
    tried = [one.choices.split_seed for one in trials if one.parent_id is None]
    assert sorted(tried, key=str) == [1, 1, 2, 2, None, None]
    continued = [one for one in trials if one.parent_id and not one.morphisms]
    assert {one.choices.split_seed for one in continued} == {None, *SEEDS}
    assert any(one.choices.augmentation == "warp" for one in continued)
    assert all(one.choices.split_seed is None for one in trials if one.morphisms)


def snapshot(trials: list[PastTrial], count: int) -> Snapshot:
    return Snapshot(
        seed=0,
        next_number=len(trials),
        count=count,
        strategy="hill-climbing",
        strategy_options={},
        roots=ROOTS,
        bounds=Bounds(),
        trials=tuple(trials),
        goal=Goal(seconds=100.0),
        split_seeds=SEEDS,
        alternatives=(WARP,),
    )


def ended(number: int, suggestion: Suggestion, value: float) -> PastTrial:
    return PastTrial(
        trial_id=UUID(int=number + 1),
        number=number,
        architecture=suggestion.architecture,
        parent_id=suggestion.parent_id,
        morphisms=suggestion.morphisms,
        choices=suggestion.choices,
        status=TrialStatus.COMPLETED,
        value=value,
        value_std=0.02,
        validation_loss=1 - value,
        inheritable=True,
        seconds=2.0,
        epochs=5,
    )


# --- where trials are repeated ------------------------------------------------------------------


def few(examples: int = 60) -> DatasetSpec:
    return SIGNALS.model_copy(update={"train_examples": examples})


def config(**training: object) -> SearchConfig:
    return SearchConfig(budget=Budget(seconds=600), training=Training(**training), seed=7)


def test_only_few_examples_that_are_seen_often_are_split_several_times():
    assert split_seeds(config(), few()) == (8, 9)
    assert split_seeds(config(), few(5_000)) == ()
    hurried = SearchConfig(budget=Budget(seconds=600, trials=12))
    assert split_seeds(hurried, few()) == ()
    short = SearchConfig(budget=Budget(seconds=60))
    assert split_seeds(short, few()) == ()  # a third of a root's time would be too little
    assert split_seeds(config(splits=1), few()) == ()
    assert split_seeds(config(splits=2), few(5_000)) == (8,)
    assert split_seeds(SearchConfig(budget=Budget(seconds=600), strategy="bo-scratch"), few()) == ()


def test_the_splits_share_the_time_of_a_trial():
    def seconds(splits: int, **facts: bool) -> float:
        return trial_hyperparameters(
            config(splits=splits), few(), elapsed=0.0, inherited=True, **facts
        ).max_seconds

    assert 3 * seconds(3) == pytest.approx(seconds(1))
    assert seconds(3, morphed=True) == seconds(1)


def test_repeated_roots_are_all_in_the_race():
    in_race = [is_in_race(config(splits=3), few(), number=n, inherited=False) for n in range(10)]
    assert in_race == [True] * 9 + [False]


def test_a_repeat_is_validated_on_another_split():
    chosen = trial_hyperparameters(config(), few(), elapsed=0.0, inherited=False, choices=on(8))
    assert (config().seed, chosen.split_seed) == (7, 8)
