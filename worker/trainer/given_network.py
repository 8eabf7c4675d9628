"""A trial of a network that a user gave is never worse than that network as it was given."""

from collections.abc import Callable
from dataclasses import replace

from core.errors import InfeasibleTrial
from core.tasks.task import AbstractTask
from worker.trainer.final_fit import Trained
from worker.trainer.networks.network import Network
from worker.trainer.training.checks import memory_errors_as_infeasible
from worker.trainer.training.evaluation import Evaluation
from worker.trainer.training.loop import Outcome


def train_from_given(
    given: Network,
    train: Callable[[], Trained],
    validate: Callable[[Network], Evaluation],  # on the validation examples
    task: AbstractTask,
) -> Trained:
    """Train on from the given network; keep it as it is where training makes it worse or fails."""
    before = validate(given)
    start = f"as given: {task.metric} {task.in_words(before.metric)}"
    try:
        with memory_errors_as_infeasible():
            trained = train()
    except InfeasibleTrial as error:
        kept = Outcome(best=before)
        return Trained(given, kept, note=f"{start}; kept, as its training failed: {error}")
    best = trained.outcome.best
    if best is not None and task.objective(best.metric) >= task.objective(before.metric):
        return replace(trained, note=start)
    kept = replace(trained.outcome, best=before, best_epoch=0)
    return Trained(given, kept, note=f"{start}; kept, as training on did not improve it")
