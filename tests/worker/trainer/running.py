"""Running orders in the test's own process."""

from collections.abc import Callable

from core.graph.weights import Weights, load
from core.protocol.contracts.reports import EpochMetrics
from core.protocol.contracts.train_orders import TrainOrder
from core.protocol.storage import Storage
from worker.messages import Ended
from worker.trainer.environment import TrainingCallbacks, TrainingEnvironment
from worker.trainer.run_order import run_order

#: Hyperparameters of one epoch that changes no weights.
NO_CHANGE = {"learning_rate": 0.0, "weight_decay": 0.0, "epochs": 1}


class Recorder:
    """Records the steps and epochs of a training, and stops it after some steps."""

    def __init__(
        self, stop_after: int | None = None, at_step: Callable[[], object] = lambda: None
    ) -> None:
        self.steps: list[int] = []
        self.epochs: list[EpochMetrics] = []
        self.callbacks = TrainingCallbacks(
            should_stop=lambda: stop_after is not None and len(self.steps) >= stop_after,
            on_step=lambda step: (self.steps.append(step), at_step()),
            on_epoch=self.epochs.append,
        )


def run(
    order: TrainOrder, environment: TrainingEnvironment, **options: object
) -> tuple[Ended, Recorder]:
    """How the order ended, and a record of its training."""
    recorder = Recorder(**options)
    return run_order(order, environment, recorder.callbacks), recorder


def stored_weights(ended: Ended, storage: Storage) -> Weights:
    """The weights that the training stored."""
    return load(storage.get(ended.weights))
