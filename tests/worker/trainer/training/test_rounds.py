"""A round trains for an epoch, or for several; some events end it earlier."""

import itertools

import pytest
import torch
from torch.nn.functional import cross_entropy

from core.errors import InfeasibleTrial
from core.protocol.contracts import Hyperparameters
from tests.worker.trainer.trainings import CNN, PLAIN, PLAIN_MLP, TASK, Clock, network_of
from worker.trainer.training.checks import LEAST_STEPS, LearningCheck
from worker.trainer.training.rounds import Rounds
from worker.trainer.training.schedule import TrainingProgress, rate_share
from worker.trainer.training.step import TrainingStep

BATCHES = [
    (torch.randn(8, 6, generator=torch.Generator().manual_seed(seed)), torch.arange(8) % 3)
    for seed in range(10)
]


class Recorded:
    """Rounds of a small network, their steps, and a clock that each step moves."""

    def __init__(
        self,
        epoch_steps: int = 10,
        *,
        batches=BATCHES,
        architecture=PLAIN_MLP,
        seconds_a_step: float = 0.0,
        chance: float | None = None,
        stop_after: int | None = None,
        **hyperparameters,
    ) -> None:
        self.h = Hyperparameters(**{"epochs": 2, "learning_rate": 0.01} | hyperparameters)
        self.network, self.steps, clock = network_of(architecture), [], Clock()
        self.rounds = Rounds(
            step=TrainingStep.of(self.network, self.h, None, task=TASK, seed=0, compute=PLAIN),
            batches=itertools.cycle(batches),
            h=self.h,
            progress=TrainingProgress(self.h, epoch_steps, clock),
            learning=LearningCheck(chance),
            should_stop=lambda: len(self.steps) == stop_after,
            on_step=lambda step: (self.steps.append(step), clock.each(seconds_a_step)()),
        )

    def ends(self, most: int = 10_000) -> list[int]:
        """After which steps the rounds of the training end, up to `most` of them."""
        found: list[int] = []
        while self.rounds.progress.share < 1 and not self.rounds.stopped and len(found) < most:
            self.rounds.train()
            found.append(self.rounds.progress.steps)
        return found


# --- when a round ends ------------------------------------------------------------------------


def test_a_round_is_an_epoch():
    assert Recorded(epochs=3).ends() == [10, 20, 30]


def test_a_round_is_several_epochs_where_there_would_be_too_many_reports():
    assert Recorded(2, epochs=1000).ends(most=3) == [20, 40, 60]
    assert len(Recorded(1, epochs=450).ends()) == 90  # rounds of five epochs


def test_a_round_of_several_epochs_ends_with_an_epoch_when_a_report_is_due():
    """After more than five seconds: here after six steps, and the epochs have four."""
    assert Recorded(4, epochs=10_000, seconds_a_step=1.0).ends(most=2) == [8, 16]


def test_a_round_ends_at_the_rung_within_an_epoch():
    assert Recorded(epochs=2, rung=0.25).ends() == [5, 10, 20]


def test_a_round_ends_with_the_training_where_time_is_up_within_an_epoch():
    assert Recorded(epochs=9, max_seconds=13.0, seconds_a_step=1.0).ends() == [10, 13]


def test_a_stop_ends_a_round_with_its_step():
    recorded = Recorded(epochs=9, stop_after=13)
    assert recorded.ends() == [10, 13]
    assert recorded.rounds.stopped


def test_without_a_stop_no_round_is_stopped():
    recorded = Recorded()
    recorded.ends()
    assert not recorded.rounds.stopped


# --- what a round does ------------------------------------------------------------------------


def test_a_round_gives_the_mean_loss_of_its_own_steps():
    recorded = Recorded(5, learning_rate=0.0, weight_decay=0.0)
    losses = [float(cross_entropy(recorded.network(x), y).detach()) for x, y in BATCHES]
    first, second = recorded.rounds.train()[0], recorded.rounds.train()[0]
    assert first == pytest.approx(sum(losses[:5]) / 5, rel=1e-5)
    assert second == pytest.approx(sum(losses[5:]) / 5, rel=1e-5)


def test_the_learning_rate_follows_the_schedule_over_steps():
    recorded = Recorded(epochs=2, warmup=0.1, decay=0.5)
    rates = [recorded.rounds.train()[1] for _ in range(2)]
    expected = [0.01 * rate_share(steps / 20, 0.1, 0.5) for steps in (9, 19)]  # made before
    assert rates == pytest.approx(expected)


def test_every_step_is_reported_with_its_number():
    recorded = Recorded(epochs=2)
    recorded.ends()
    assert recorded.steps == list(range(1, 21))


def test_a_round_trains_in_training_mode():
    """Dropout is on again after an evaluation."""
    images = [(torch.randn(4, 2, 8, 8), torch.arange(4) % 3)]
    recorded = Recorded(1, batches=images, architecture=CNN)
    recorded.network.eval()
    recorded.rounds.train()
    assert recorded.network.training


# --- trainings that cannot succeed ------------------------------------------------------------


def test_a_loss_that_is_not_finite_is_noticed_within_fifty_steps():
    recorded = Recorded(1000, optimiser="sgd", learning_rate=1e30)
    with pytest.raises(InfeasibleTrial, match="diverged"):
        recorded.rounds.train()
    assert len(recorded.steps) == 50


def test_a_loss_that_is_not_finite_is_noticed_at_the_end_of_a_round():
    recorded = Recorded(10, optimiser="sgd", learning_rate=1e30)
    with pytest.raises(InfeasibleTrial, match="diverged"):
        recorded.rounds.train()
    assert len(recorded.steps) == 10


def test_a_training_that_does_not_learn_is_ended():
    """No loss is below zero, so that with chance at zero nothing counts as learning."""
    recorded = Recorded(1000, chance=0.0, epochs=1)
    with pytest.raises(InfeasibleTrial, match="does not learn"):
        recorded.rounds.train()
    assert LEAST_STEPS <= len(recorded.steps) <= 101
