"""Training choices are compared on the winner of the race, from the same weights."""

from dataclasses import replace
from uuid import UUID

import pytest

from core.graph.roots import roots
from core.graph.speed import PRIOR_SPEED
from core.protocol.contracts.bounds import Bounds
from core.protocol.contracts.budgets import Budget
from core.protocol.contracts.datasets import DatasetSpec
from core.protocol.contracts.search_config import SearchConfig
from core.protocol.contracts.training import Training
from core.protocol.contracts.training_choices import TrainingChoices
from core.protocol.states import TrialStatus
from core.search.defaults import alternatives_tried, networks, promoted, slowness
from core.search.history import USUAL, PastTrial
from core.search.race import chosen
from core.search.recipe import hyperparameters
from core.search.trial_training import (
    final_hyperparameters,
    trial_hyperparameters,
)
from core.search.tuning import compared

SIGNALS = DatasetSpec(
    input_shape=(1, 100), classes=3, class_names=("a", "b", "c"), train_examples=300,
    test_examples=50, dtype="float32",
)  # fmt: skip
IMAGES = SIGNALS.model_copy(update={"input_shape": (3, 16, 16), "flip": False})
ROOT = roots(SIGNALS, Bounds())[0]
WARP, MIX = TrainingChoices(augmentation="warp"), TrainingChoices(mixing=0.0)


def config(**training: object) -> SearchConfig:
    return SearchConfig(budget=Budget(seconds=600), training=Training(**training))


def trial(number: int, parent: PastTrial | None = None, **facts: object) -> PastTrial:
    defaults = {
        "trial_id": UUID(int=number + 1),
        "number": number,
        "architecture": ROOT,
        "status": TrialStatus.COMPLETED,
        "value": 0.8,
        "value_std": 0.02,
        "validation_loss": 0.5,
        "inheritable": True,
        "share": 0.1,
        "parent_id": None if parent is None else parent.trial_id,
    }
    return PastTrial(**{**defaults, **facts})


def test_each_alternative_is_trained_beside_the_usual_choices():
    root = trial(0)
    suggestions = compared([root], (WARP, MIX), 5)
    assert [one.choices for one in suggestions] == [WARP, USUAL, MIX]
    assert all(one.parent == root and not one.morphisms for one in suggestions)
    assert {one.architecture.fingerprint for one in suggestions} == {ROOT.fingerprint}


def test_alternatives_come_one_by_one_where_one_trial_is_requested_at_a_time():
    trials = [trial(0)]
    order = []
    while suggestions := compared(trials, (WARP, MIX), 1):
        (one,) = suggestions
        order.append(one.choices)
        trials.append(trial(len(trials), trials[0], choices=one.choices, validation_loss=0.4))
    assert order == [WARP, USUAL, MIX]


@pytest.mark.parametrize("status", [TrialStatus.WAITING, TrialStatus.RUNNING])
def test_nothing_is_compared_before_the_roots_have_ended(status):
    assert compared([trial(0), trial(1, status=status, value=None)], (WARP,), 2) == []


def test_nothing_is_compared_without_alternatives_or_a_trial_with_weights():
    assert compared([trial(0)], (), 2) == []
    assert compared([trial(0, inheritable=False)], (WARP,), 2) == []
    assert compared([], (WARP,), 2) == []


def test_a_choice_that_gained_wins_and_one_that_gained_too_little_does_not():
    root = trial(0, share=0.05)
    usual = trial(1, root, validation_loss=0.40)
    warped = trial(2, root, choices=WARP, validation_loss=0.35)
    assert chosen([root, usual, warped]) == warped
    hardly = replace(warped, validation_loss=0.395)
    assert chosen([root, usual, hardly]) == usual


@pytest.mark.parametrize(("noise", "wins"), [(0.004, True), (0.03, False)])
def test_a_choice_must_gain_more_than_the_noise_of_its_loss(noise, wins):
    root = trial(0, share=0.05, value_std=noise)
    usual = trial(1, root, value_std=noise, validation_loss=0.40)
    warped = trial(2, root, choices=WARP, value_std=noise, validation_loss=0.38)
    assert (chosen([root, usual, warped]) == warped) == wins
    mixed = trial(3, root, choices=MIX, value_std=noise, validation_loss=0.38)
    assert bool(compared([root, usual, warped, mixed], (WARP, MIX), 3)) == wins


@pytest.mark.parametrize("control", [None, TrialStatus.RUNNING, TrialStatus.FAILED])
def test_a_change_does_not_win_before_it_was_compared(control):
    """It is better than what it went on from, as any training would be."""
    root = trial(0, share=0.05)
    trials = [root, trial(1, root, choices=WARP, value=0.9, validation_loss=0.3)]
    if control is not None:
        trials.append(trial(2, root, status=control, value=None, validation_loss=None))
    assert chosen(trials).number == 0
    trials[2:] = [trial(2, root, value=0.85, validation_loss=0.4)]
    assert chosen(trials).number == 1


def test_changes_that_gained_alone_are_tried_together():
    root = trial(0, share=0.05)
    trials = [
        root,
        trial(1, root, choices=WARP, validation_loss=0.30),
        trial(2, root, validation_loss=0.40),
        trial(3, root, choices=MIX, validation_loss=0.35),
    ]
    (one,) = compared(trials, (WARP, MIX), 3)
    assert one.choices == TrainingChoices(augmentation="warp", mixing=0.0)
    assert one.parent == root
    trials.append(trial(4, root, choices=one.choices, validation_loss=0.28))
    assert compared(trials, (WARP, MIX), 3) == []
    alone = [replace(one, validation_loss=0.39) if one.number == 3 else one for one in trials[:4]]
    assert compared(alone, (WARP, MIX), 3) == []
    running = [
        replace(one, status=TrialStatus.RUNNING) if one.number == 3 else one for one in trials[:4]
    ]
    assert compared(running, (WARP, MIX), 3) == []


def test_a_trial_is_trained_with_its_choices():
    choices = TrainingChoices(augmentation="warp", weight_decay=0.8)
    usual = trial_hyperparameters(config(), SIGNALS, elapsed=0.0, inherited=True)
    changed = trial_hyperparameters(config(), SIGNALS, elapsed=0.0, inherited=True, choices=choices)
    assert changed == usual.model_copy(update={"augmentation": "warp", "weight_decay": 0.8})
    final = final_hyperparameters(config(), SIGNALS, elapsed=0.0, choices=choices)
    assert (final.augmentation, final.weight_decay) == ("warp", 0.8)


def test_choices_of_the_user_are_not_changed():
    given = config(augmentation="none", mixing=0.1, erasing=0.0, weight_decay=0.1)
    assert alternatives_tried(given, SIGNALS) == ()
    tried = alternatives_tried(config(mixing=0.1), SIGNALS)
    assert [one for one in tried if one.mixing is not None] == []


def test_the_number_of_alternatives_can_be_given():
    assert alternatives_tried(config(alternatives=0), SIGNALS) == ()
    many = SIGNALS.model_copy(update={"train_examples": 2_000_000})
    assert len(alternatives_tried(config(alternatives=3), many)) == 3


def test_alternatives_suit_the_data():
    assert next(one.augmentation for one in alternatives_tried(config(), SIGNALS)) == "warp"
    assert next(one.augmentation for one in alternatives_tried(config(), IMAGES)) == "affine"
    vectors = SIGNALS.model_copy(update={"input_shape": (12,)})
    assert all(
        one.augmentation is None and one.erasing is None
        for one in alternatives_tried(config(), vectors)
    )
    mixed = hyperparameters(config(), SIGNALS, 1, None, 100.0).mixing
    assert all(
        one.mixing is None or one.mixing > mixed for one in alternatives_tried(config(), SIGNALS)
    )
    assert any(one.mixing is not None for one in alternatives_tried(config(), SIGNALS))


def test_nothing_is_tried_where_each_example_is_seen_a_few_times_only():
    many = IMAGES.model_copy(update={"train_examples": 2_000_000})
    assert alternatives_tried(config(), many) == ()


def test_alternatives_take_a_small_part_of_the_time():
    assert len(alternatives_tried(config(), SIGNALS)) == 2
    long = SearchConfig(budget=Budget(seconds=30_000))
    assert len(alternatives_tried(long, SIGNALS)) == 4


def test_all_roots_are_trained_on_where_examples_are_seen_very_often():
    many = SIGNALS.model_copy(update={"train_examples": 2_000_000})
    assert (promoted(config(), SIGNALS), promoted(config(), many)) == (3, 1)
    assert promoted(config(), SIGNALS, 1e5) == 2  # a slow machine: the first training was short
    assert promoted(SearchConfig(budget=Budget(trials=100)), SIGNALS) == 2


def test_a_root_that_begins_alone_is_trained_on_where_images_are_seen_rarely():
    """Else what its children gain by more training would count for them."""
    many = IMAGES.model_copy(update={"train_examples": 2_000_000})
    assert promoted(config(), many) == 1
    given = SearchConfig(budget=config().budget, root=UUID(int=1))
    assert promoted(given, many) == 0
    assert promoted(SearchConfig(budget=Budget(trials=3)), SIGNALS) == 0


def test_the_measured_speed_decides_what_there_is_time_for():
    """On a GPU each example may be seen a hundred times as often as expected, or half as often."""
    data = IMAGES.model_copy(update={"train_examples": 4_000})
    hour = SearchConfig(budget=Budget(seconds=600))

    def chances(slowness: float) -> tuple[int, int, int]:
        tried = len(alternatives_tried(hour, data, slowness))
        return promoted(hour, data, slowness), tried, networks(hour, data, slowness)

    assert chances(100.0) == (2, 0, 1)
    assert chances(6.0) == (3, 2, 1)
    assert chances(0.01) == (3, 2, 4)

    def mixing(slowness: float) -> float:
        return trial_hyperparameters(
            hour, data, elapsed=0.0, inherited=True, slowness=slowness
        ).mixing

    assert mixing(100.0) < mixing(0.01)
    last = final_hyperparameters(hour, data, elapsed=0.0, slowness=0.01)
    assert last.mixing == mixing(0.01)
    assert last.unaugmented < final_hyperparameters(hour, data, elapsed=0.0).unaugmented


def test_a_search_is_as_slow_as_its_first_trained_trial():
    def speed(slowness: float) -> float:
        return 1 / (slowness * PRIOR_SPEED.seconds(ROOT))

    failed = trial(0, status=TrialStatus.FAILED)
    assert slowness(()) == slowness((failed,)) == 1.0
    measured = [trial(n, samples_per_second=speed(n)) for n in (2, 5)]
    assert slowness((failed, *measured)) == pytest.approx(2.0)


@pytest.mark.parametrize(("reported", "joined", "tried"), [(5e-324, 1, 0), (1e308, 4, 2)])
def test_an_impossible_speed_still_gives_hyperparameters(reported, joined, tried):
    factor = slowness([trial(0, samples_per_second=reported)])
    for inherited in (False, True):
        final = final_hyperparameters(
            config(), SIGNALS, elapsed=0.0, inherited=inherited, slowness=factor
        )
        assert 0 < final.unaugmented <= 1
    assert networks(config(), SIGNALS, factor) == joined
    assert len(alternatives_tried(config(), SIGNALS, factor)) == tried


def test_few_trials_try_few_alternatives():
    few = SearchConfig(budget=Budget(trials=12))
    assert len(alternatives_tried(few, SIGNALS)) == 1
    assert alternatives_tried(SearchConfig(budget=Budget(trials=5)), SIGNALS) == ()


def test_choices_are_described_in_words():
    assert str(TrainingChoices(augmentation="affine-flip", weight_decay=0.8)) == (
        "augmentation affine-flip, weight decay 0.8"
    )
    assert str(
        TrainingChoices(weight_decay=0.7417709782104775, mixing=1.0, split_seed=1234567)
    ) == ("mixing 1.0, weight decay 0.742, another validation split, seed 1234567")
    assert str(USUAL) == ""
