"""The training loop: what it learns, when it ends, and which weights it keeps."""

import numpy as np
import pytest
import torch

from core.errors import InfeasibleTrial
from core.graph.weights import flatten
from tests.clock import Clock
from tests.worker.trainer.trainings import (
    CNN,
    CPU,
    MLP,
    PLAIN,
    PLAIN_MLP,
    TASK,
    SlowExamples,
    blobs,
    network_of,
    train_with,
)
from worker.trainer.data.examples import Examples, Normalisation
from worker.trainer.training.evaluation import evaluate
from worker.trainer.training.schedule import rate_share


def assert_same(left, right):
    """Assert that two networks have the same weights to the last bit."""
    left, right = flatten(left), flatten(right)
    assert left.keys() == right.keys()
    for name, array in left.items():
        np.testing.assert_array_equal(array, right[name])


@pytest.mark.parametrize("optimiser", ["adamw", "sgd", "muon"])
@pytest.mark.parametrize(("architecture", "shape"), [(MLP, (6,)), (CNN, (2, 8, 8))])
def test_classes_that_differ_clearly_are_learned(architecture, shape, optimiser):
    network = network_of(architecture)
    reported = []
    outcome = train_with(
        network,
        blobs(240, shape, augmentation="none"),
        blobs(90, shape, seed=1),
        optimiser=optimiser,
        learning_rate=0.03,
        epochs=8,
        on_epoch=reported.append,
    )
    assert outcome.best.metric > 0.95
    assert (outcome.epochs, outcome.steps, outcome.stopped) == (8, 8 * 15, False)
    assert tuple(reported) == outcome.history
    assert [metrics.epoch for metrics in reported] == list(range(1, 9))
    assert reported[-1].train_loss < reported[0].train_loss


@pytest.mark.parametrize(
    ("architecture", "shape", "augmentation"),
    [(MLP, (6,), "none"), (CNN, (2, 8, 8), "none"), (CNN, (2, 8, 8), "shift-flip")],
)
def test_the_seed_alone_decides_a_training(architecture, shape, augmentation):
    def trained(seed, other):
        torch.manual_seed(other)
        network = network_of(architecture)
        training = blobs(60, shape, augmentation=augmentation)
        outcome = train_with(network, training, blobs(30, shape, seed=1), seed=seed, epochs=2)
        return network.weights(), [(m.train_loss, m.validation_loss) for m in outcome.history]

    weights, history = trained(1, other=1)
    again, same_history = trained(1, other=2)
    assert_same(weights, again)
    assert history == same_history
    assert trained(2, other=1)[1] != history


def test_the_last_share_of_a_training_has_examples_as_they_are():
    def trained(augmentation, share):
        network, images = network_of(CNN), (2, 8, 8)
        training = blobs(64, images, augmentation=augmentation, erasing=0.3)
        train_with(network, training, blobs(30, images, seed=1), epochs=2, unaugmented=share)
        return network.weights()

    def differ(a, b):
        return any(
            not np.array_equal(flatten(a)[name], array) for name, array in flatten(b).items()
        )

    assert_same(trained("shift-flip", 1.0), trained("flip", 1.0))
    assert differ(trained("shift-flip", 1.0), trained("shift-flip", 0.0))
    assert differ(trained("shift-flip", 0.5), trained("shift-flip", 0.0))
    assert_same(trained("shift-flip", 0.1), trained("shift-flip", 0.0))  # less than a batch of 8


def test_the_weights_of_the_best_epoch_are_kept():
    network, after = network_of(MLP), []
    validation = blobs(60, seed=1, wrong=True)  # which training unlearns
    outcome = train_with(
        network,
        blobs(120),
        validation,
        epochs=6,
        learning_rate=0.05,
        on_epoch=lambda _: after.append(network.weights()),
    )
    values = [(m.validation_metric, -m.validation_loss) for m in outcome.history]
    assert outcome.best_epoch == 1 + values.index(max(values)) < outcome.epochs
    assert_same(network.weights(), after[outcome.best_epoch - 1])
    assert evaluate(network, validation, TASK, PLAIN) == outcome.best


def test_of_equal_metrics_the_lower_loss_is_better():
    outcome = train_with(
        network_of(MLP), blobs(240), blobs(30, seed=1), epochs=12, learning_rate=0.03
    )
    perfect = [m for m in outcome.history if m.validation_metric == 1.0]
    assert len(perfect) > 1
    assert outcome.best.loss == min(m.validation_loss for m in perfect)


def test_without_validation_the_last_weights_are_kept():
    network, after = network_of(MLP), []
    outcome = train_with(
        network, blobs(60), None, patience=1, on_epoch=lambda _: after.append(network.weights())
    )
    assert (outcome.best, outcome.best_epoch, outcome.epochs) == (None, 5, 5)
    assert {(m.validation_metric, m.validation_loss) for m in outcome.history} == {(None, None)}
    assert_same(network.weights(), after[-1])


@pytest.mark.parametrize("patience", [1, 3])
def test_a_training_without_improvement_ends_early(patience):
    outcome = train_with(
        network_of(PLAIN_MLP), blobs(60), blobs(30, seed=1),
        epochs=50, learning_rate=0.0, weight_decay=0.0, patience=patience,
    )  # fmt: skip
    assert (outcome.best_epoch, outcome.epochs, outcome.stopped) == (1, 1 + patience, False)


def test_a_stop_between_epochs_ends_the_training_with_the_next_step():
    network, stops = network_of(MLP), []
    validation = blobs(30, seed=1)
    outcome = train_with(
        network,
        blobs(160),
        validation,
        epochs=100,
        on_epoch=lambda metrics: stops.append(metrics.epoch == 3),
        should_stop=lambda: any(stops),
    )
    assert outcome.stopped
    assert (outcome.epochs, outcome.steps) == (4, 31)
    assert evaluate(network, validation, TASK, PLAIN) == outcome.best


def test_a_stop_before_the_first_step_still_gives_a_value():
    outcome = train_with(
        network_of(MLP), blobs(160), blobs(30, seed=1), epochs=100, should_stop=lambda: True
    )
    assert (outcome.stopped, outcome.steps, outcome.best_epoch) == (True, 1, 1)
    assert outcome.best is not None


def test_a_loss_that_is_not_finite_makes_the_trial_infeasible_within_a_few_steps():
    steps = []
    with pytest.raises(InfeasibleTrial, match=r"the loss is (nan|inf): the training has diverged"):
        train_with(
            network_of(PLAIN_MLP), blobs(3000), None,
            batch_size=4, optimiser="sgd", learning_rate=1e30, on_step=steps.append,
        )  # fmt: skip
    assert steps == list(range(1, len(steps) + 1))
    assert len(steps) <= 50 < 3000 // 4


def test_a_network_whose_last_step_diverges_is_infeasible():
    with pytest.raises(InfeasibleTrial, match="diverged"):
        train_with(
            network_of(PLAIN_MLP), blobs(16), blobs(30, seed=1),
            epochs=1, optimiser="sgd", learning_rate=1e30,
        )  # fmt: skip


@pytest.mark.parametrize("seconds_a_step", [0.1, 1.0])
def test_a_training_in_bounded_time_ends_in_time_with_a_small_rate(seconds_a_step):
    clock = Clock(1000.0)
    outcome = train_with(
        network_of(MLP), blobs(160), blobs(30, seed=1),
        epochs=1000, max_seconds=25.0, learning_rate=0.01,
        clock=clock, on_step=clock.each(seconds_a_step),
    )  # fmt: skip
    assert outcome.seconds == pytest.approx(25, abs=seconds_a_step)
    assert outcome.steps == pytest.approx(25 / seconds_a_step, abs=1)
    rates = [metrics.learning_rate for metrics in outcome.history]
    used = [(metrics.seconds - seconds_a_step) / 25 for metrics in outcome.history]
    assert rates == pytest.approx([0.01 * rate_share(share, 0.1, 1.0) for share in used])
    assert rates[-1] < 0.01 * rate_share(1 - 2 * seconds_a_step / 25, 0.1, 1.0)
    assert not outcome.stopped


def test_steps_decide_where_there_is_more_time_than_needed():
    clock = Clock(1000.0)
    training = blobs(160)
    bounded = train_with(
        network_of(MLP), training, None, max_seconds=1e6, clock=clock, on_step=clock.each(1)
    )
    free = train_with(network_of(MLP), training, None)
    assert bounded.steps == free.steps == 50
    assert [m.learning_rate for m in bounded.history] == [m.learning_rate for m in free.history]
    assert free.history[-1].learning_rate < 0.01 * 0.01


def test_evaluation_counts_as_time_and_not_in_the_speed():
    clock = Clock(1000.0)
    validation = blobs(30, seed=1, kind=SlowExamples)
    validation.wait = clock.each(3)
    outcome = train_with(
        network_of(MLP), blobs(160), validation,
        epochs=4, clock=clock, on_step=clock.each(0.5),
    )  # fmt: skip
    assert outcome.seconds == pytest.approx(4 * (10 * 0.5 + 3))
    assert outcome.samples_per_second == pytest.approx(16 / 0.5)
    assert [m.seconds for m in outcome.history] == pytest.approx([8, 16, 24, 32])


@pytest.mark.parametrize("optimiser", ["adamw", "sgd", "muon"])
def test_weight_decay_is_for_matrices_alone(optimiser):
    """Examples of zeros give the first layers no gradient, so that only decay changes weights."""
    nothing = Examples(
        np.zeros((32, 6), np.float32), np.arange(32) % 3, Normalisation((0.0,), (1.0,)), CPU
    )
    network = network_of(MLP)
    before = network.weights()
    train_with(network, nothing, None, optimiser=optimiser, weight_decay=0.5, learning_rate=0.1)
    after = network.weights()
    assert np.abs(after[1]["weight"]).sum() < 0.9 * np.abs(before[1]["weight"]).sum()
    np.testing.assert_array_equal(after[2]["weight"], before[2]["weight"])


def test_labels_are_smoothed_in_training_and_not_in_evaluation():
    data = blobs(48)
    still = {"learning_rate": 0.0, "weight_decay": 0.0, "epochs": 1, "batch_size": 48}
    plain = train_with(network_of(PLAIN_MLP), data, data, **still)
    smooth = train_with(network_of(PLAIN_MLP), data, data, label_smoothing=0.3, **still)
    assert plain.history[0].train_loss == pytest.approx(plain.best.loss, rel=1e-5)
    assert smooth.best.loss == plain.best.loss
    assert smooth.history[0].train_loss != pytest.approx(plain.best.loss, rel=1e-2)


def test_evaluation_is_the_mean_over_all_examples_and_changes_nothing():
    network = network_of(CNN)
    x = np.random.default_rng(0).normal(size=(700, 2, 8, 8)).astype(np.float32)  # two batches
    y = np.arange(700) % 3
    examples = Examples(x, y, Normalisation((0.0, 0.0), (1.0, 1.0)), CPU)
    before = network.weights()
    found = evaluate(network, examples, TASK, PLAIN)
    assert_same(network.weights(), before)
    with torch.inference_mode():
        logits = network(torch.from_numpy(x)).double().numpy()
    log_p = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    assert found.examples == 700
    assert found.metric == pytest.approx((logits.argmax(axis=1) == y).mean())
    assert found.loss == pytest.approx(-log_p[np.arange(700), y].mean(), rel=1e-4)


@pytest.mark.parametrize("share", [0.1, 0.5])
def test_with_averaging_the_average_is_validated_and_kept(share):
    """The weights after every step are recorded and averaged here by another formula."""
    network, steps = network_of(MLP), []
    training, validation = blobs(64), blobs(60, seed=1)

    def averaged():
        factors = (1 - 1 / np.arange(1, len(steps) + 1)) ** (1 / share)
        mean = {name: 0.0 for name in steps[0]}
        for factor, weights in zip(factors, steps, strict=True):
            mean = {name: factor * mean[name] + (1 - factor) * weights[name] for name in mean}
        return mean

    outcome = train_with(
        network, training, validation, averaging=share, epochs=3, decay=0.0,
        on_step=lambda _: steps.append(flatten(network.weights())),
    )  # fmt: skip
    while len(steps) > 4 * outcome.best_epoch:
        steps.pop()
    kept = flatten(network.weights())
    for name, expected in averaged().items():
        np.testing.assert_allclose(kept[name], expected, rtol=1e-4, atol=1e-6)
    assert evaluate(network, validation, TASK, PLAIN) == outcome.best


def test_at_least_one_step_is_made_however_short_the_time():
    clock = Clock(1000.0)
    outcome = train_with(
        network_of(MLP), blobs(64), blobs(30, seed=1), max_seconds=1e-9, clock=clock,
        on_step=clock.each(1.0),
    )  # fmt: skip
    assert (outcome.steps, outcome.epochs) == (1, 1)
    assert outcome.best is not None


def test_averaging_does_not_change_what_is_trained():
    def steps(**options):
        network, seen = network_of(MLP), []
        train_with(
            network, blobs(64), blobs(30, seed=1),
            on_step=lambda _: seen.append(network.weights()), **options,
        )  # fmt: skip
        return seen

    for plain, averaged in zip(steps(), steps(averaging=0.2), strict=True):
        assert_same(plain, averaged)


def test_without_validation_the_last_average_is_kept():
    network, last = network_of(MLP), []
    train_with(
        network, blobs(64), None, averaging=0.3, epochs=3,
        on_step=lambda _: last.append(network.weights()),
    )  # fmt: skip
    weights = [flatten(each)["1.weight"] for each in last]
    kept = flatten(network.weights())["1.weight"]
    assert np.abs(kept - weights[-1]).max() > 0
    assert np.abs(kept - weights[-1]).max() < np.abs(weights[0] - weights[-1]).max()


def test_at_a_constant_rate_a_training_with_averaging_may_be_stopped_at_any_step():
    def trained(stop):
        steps = []
        network = network_of(MLP)
        train_with(
            network, blobs(160), None,
            averaging=0.25, decay=0.0, warmup=0.0, epochs=stop if stop < 4 else 100,
            on_step=steps.append, should_stop=lambda: len(steps) == 20,
        )  # fmt: skip
        return network.weights()

    assert_same(trained(2), trained(100))  # 20 steps either way
