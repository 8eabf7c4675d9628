"""How a training is chosen for the data, and which other choices a search may try."""

import pytest

from core.protocol.contracts.budgets import Budget
from core.protocol.contracts.datasets import DatasetSpec
from core.protocol.contracts.search_config import SearchConfig
from core.protocol.contracts.training import Training
from core.protocol.contracts.training_choices import TrainingChoices
from core.search.recipe import (
    MIXING,
    MIXING_OFTEN,
    OFTEN,
    REMEMBERED_EPOCHS,
    STRONGER_DECAY,
    WEIGHT_DECAYS,
    alternatives,
    hyperparameters,
)

IMAGES, SIGNALS, VECTORS = (1, 8, 8), (1, 64), (64,)


def data(shape: tuple[int, ...] = IMAGES, examples: int = 1_000, flip: bool = True) -> DatasetSpec:
    return DatasetSpec(
        input_shape=shape,
        classes=2,
        class_names=("a", "b"),
        train_examples=examples,
        test_examples=100,
        dtype="uint8",
        flip=flip,
    )


def config(**training: object) -> SearchConfig:
    return SearchConfig(budget=Budget(trials=10), training=Training(**training))


def test_limits_and_changed_choices_are_kept():
    choices = TrainingChoices(mixing=0.7, weight_decay=0.3)
    chosen = hyperparameters(config(), data(), 9, 12.5, 50.0, choices)
    assert (chosen.epochs, chosen.max_seconds) == (9, 12.5)
    assert (chosen.mixing, chosen.weight_decay) == (0.7, 0.3)
    usual = hyperparameters(config(), data(), 9, 12.5, 50.0)
    assert usual.model_copy(update=choices.changes) == chosen


@pytest.mark.parametrize(
    ("shape", "passes", "mixing"),
    [
        (IMAGES, OFTEN - 1, MIXING),
        (IMAGES, OFTEN, MIXING_OFTEN),
        (VECTORS, OFTEN, MIXING),
    ],
)
def test_few_images_that_are_seen_often_are_mixed_more(shape, passes, mixing):
    assert hyperparameters(config(), data(shape), 1, None, passes).mixing == mixing


def test_many_examples_are_not_mixed():
    assert hyperparameters(config(), data(examples=5_000), 1, None, OFTEN).mixing == 0


@pytest.mark.parametrize("training", [{}, {"learning_rate": 0.005}, {"batch_size": 20}])
def test_weights_of_many_examples_are_an_average_over_epochs(training):
    """Else what has been learned from an example is forgotten before it comes again."""
    few = hyperparameters(config(**training), data(examples=800), 1, None, 50.0)
    assert few.weight_decay == WEIGHT_DECAYS["muon"]
    many = hyperparameters(config(**training), data(examples=600_000), 1, None, 50.0)
    updates = 1 / (many.learning_rate * many.weight_decay)
    assert updates * many.batch_size / 600_000 == pytest.approx(REMEMBERED_EPOCHS)


def test_the_decay_of_sgd_does_not_depend_on_the_number_of_examples():
    found = hyperparameters(config(optimiser="sgd"), data(examples=600_000), 1, None, 50.0)
    assert found.weight_decay == WEIGHT_DECAYS["sgd"]


def test_alternatives_change_one_choice_each_and_are_all_different():
    found = alternatives(config(), data(), 50.0)
    usual = hyperparameters(config(), data(), 1, None, 50.0)
    assert len(set(found)) == len(found) >= 3
    for one in found:
        ((name, value),) = one.changes.items()
        assert getattr(usual, name) != value


@pytest.mark.parametrize(
    ("shape", "flip", "augmentations"),
    [
        (IMAGES, True, {"affine-flip"}),
        (IMAGES, False, {"affine"}),
        (SIGNALS, True, {"warp"}),
        (VECTORS, True, set()),
        ((3, 1, 16), True, set()),
        ((2, 7), True, set()),
    ],
)
def test_alternatives_suit_the_kind_of_examples(shape, flip, augmentations):
    found = alternatives(config(), data(shape, flip=flip), 50.0)
    assert {one.augmentation for one in found if one.augmentation} == augmentations
    assert any(one.erasing for one in found) == (shape in (IMAGES, SIGNALS))


def test_choices_of_the_user_have_no_alternative():
    chosen = {"augmentation": "none", "mixing": 0.0, "erasing": 0.0, "weight_decay": 0.0}
    assert alternatives(config(**chosen), data(), 50.0) == ()
    left = {name: value for name, value in chosen.items() if name != "weight_decay"}
    (only,) = alternatives(config(**left, optimiser="adamw"), data(), 50.0)
    assert only.weight_decay == STRONGER_DECAY * WEIGHT_DECAYS["adamw"]


def test_numbers_of_few_vectors_are_learned_with_weaker_and_stronger_decay_too():
    """Which is best depends on the noise of the numbers, which nothing else tells."""
    numbers = SearchConfig(task="regression", budget=Budget(trials=10))

    def decays(examples: int) -> tuple[float, list[float]]:
        spec = data(VECTORS, examples)
        usual = hyperparameters(numbers, spec, 1, None, 50.0).weight_decay
        return usual, sorted(one.weight_decay or 0.0 for one in alternatives(numbers, spec, 50.0))

    usual, (weakest, *_, strongest) = decays(400)
    assert weakest == pytest.approx(WEIGHT_DECAYS["muon"])
    assert weakest < usual < strongest
    usual, (only,) = decays(60_000)
    assert only > usual


def test_where_mixing_is_strong_already_it_is_no_alternative():
    assert all(one.mixing is None for one in alternatives(config(), data(), OFTEN))
