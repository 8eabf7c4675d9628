"""A round of the training loop is an epoch, or several; some events end it earlier."""

import pytest

from core.errors import InfeasibleTrial
from tests.clock import Clock
from tests.worker.trainer.trainings import (
    CNN,
    PLAIN,
    PLAIN_MLP,
    TASK,
    blobs,
    network_of,
    train_with,
)
from worker.trainer.training.checks import LEAST_STEPS
from worker.trainer.training.evaluation import evaluate
from worker.trainer.training.schedule import rate_share

BATCH = 8  # examples
UNCHANGED = {"learning_rate": 0.0, "weight_decay": 0.0}


class Recorded:
    """A training without validation: its steps and the ends of its rounds."""

    def __init__(self, epoch_steps: int = 10) -> None:
        self.steps: list[int] = []
        self.ends: list[int] = []  # after which steps rounds ended
        self.training = blobs(epoch_steps * BATCH, augmentation="none")
        self.network = network_of(PLAIN_MLP)

    def train(self, *, seconds_a_step: float = 0.0, stop_after: int | None = None, **options):
        clock = Clock(1000.0)
        return train_with(
            self.network,
            self.training,
            None,
            clock=clock,
            should_stop=lambda: len(self.steps) == stop_after,
            on_step=lambda step: (self.steps.append(step), clock.each(seconds_a_step)()),
            on_epoch=lambda _: self.ends.append(len(self.steps)),
            **{"epochs": 2, "batch_size": BATCH} | options,
        )


def ends_of(epoch_steps: int = 10, **options) -> list[int]:
    recorded = Recorded(epoch_steps)
    recorded.train(**options)
    return recorded.ends


# --- when a round ends ------------------------------------------------------------------------


def test_a_round_is_an_epoch():
    assert ends_of(epochs=3) == [10, 20, 30]


def test_a_round_is_several_epochs_where_there_would_be_too_many_reports():
    assert ends_of(2, epochs=1000, stop_after=61) == [20, 40, 60, 61]
    assert len(ends_of(1, epochs=450)) == 90  # rounds of five epochs


def test_a_round_of_several_epochs_ends_with_an_epoch_when_a_report_is_due():
    """After more than five seconds: here after six steps, and the epochs have four."""
    assert ends_of(4, epochs=10_000, seconds_a_step=1.0, stop_after=17) == [8, 16, 17]


def test_a_round_ends_at_the_rung_within_an_epoch():
    assert ends_of(epochs=2, rung=0.25) == [5, 10, 20]


def test_a_round_ends_with_the_training_where_time_is_up_within_an_epoch():
    assert ends_of(epochs=9, max_seconds=13.0, seconds_a_step=1.0) == [10, 13]


def test_a_stop_ends_a_round_with_its_step():
    recorded = Recorded()
    assert recorded.train(epochs=9, stop_after=13).stopped
    assert recorded.ends == [10, 13]


def test_without_a_stop_no_training_is_stopped():
    assert not Recorded().train().stopped


# --- what a round does ------------------------------------------------------------------------


def test_a_round_reports_the_mean_loss_of_its_own_steps():
    """The rung divides the first epoch into two rounds; the second epoch is one round."""
    recorded = Recorded()
    history = recorded.train(rung=0.25, **UNCHANGED).history
    first, second, epoch = [metrics.train_loss for metrics in history]
    expected = evaluate(recorded.network, recorded.training, TASK, PLAIN).loss
    assert epoch == pytest.approx(expected, rel=1e-5)
    assert (first + second) / 2 == pytest.approx(expected, rel=1e-5)
    assert first != pytest.approx(second, rel=1e-3)


def test_the_learning_rate_follows_the_schedule_over_steps():
    history = Recorded().train(warmup=0.1, decay=0.5).history
    expected = [0.01 * rate_share(steps / 20, 0.1, 0.5) for steps in (9, 19)]  # made before
    assert [metrics.learning_rate for metrics in history] == pytest.approx(expected)


def test_every_step_is_reported_with_its_number():
    recorded = Recorded()
    recorded.train()
    assert recorded.steps == list(range(1, 21))


def test_a_round_trains_in_training_mode():
    """Dropout is on again after an evaluation."""
    network, modes = network_of(CNN), []
    network.eval()
    shape = (2, 8, 8)
    train_with(
        network,
        blobs(32, shape, augmentation="none"),
        blobs(16, shape, seed=1),
        epochs=2,
        on_step=lambda _: modes.append(network.training),
    )
    assert modes == [True] * 4


# --- trainings that cannot succeed ------------------------------------------------------------


@pytest.mark.parametrize("epoch_steps", [1000, 10])
def test_a_loss_that_is_not_finite_is_noticed_within_fifty_steps_or_one_round(epoch_steps):
    recorded = Recorded(epoch_steps)
    with pytest.raises(InfeasibleTrial, match="diverged"):
        recorded.train(optimiser="sgd", learning_rate=1e30)
    assert len(recorded.steps) == min(50, epoch_steps)


def test_a_training_that_does_not_learn_is_ended():
    """No loss is below zero, so that with chance at zero nothing counts as learning."""
    recorded = Recorded(1000)
    with pytest.raises(InfeasibleTrial, match="does not learn"):
        recorded.train(chance_loss=0.0, epochs=1)
    assert LEAST_STEPS <= len(recorded.steps) <= 101
