"""The training of one job; a final fit is compared with the winner."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch

from core.errors import InfeasibleTrial
from core.graph.weights import Weights
from core.protocol.contracts import Comparison
from core.tasks import TASKS
from worker.tasks import LOSSES
from worker.trainer.comparison import compare
from worker.trainer.environment import TrainingCallbacks, TrainingEnvironment
from worker.trainer.initial_weights import inherited_weights, initial_network, network_with
from worker.trainer.job_data import JobData
from worker.trainer.networks.compute import Compute
from worker.trainer.networks.ensemble import Ensemble
from worker.trainer.networks.network import Network
from worker.trainer.train_job import TrainJob
from worker.trainer.training.evaluation import Evaluation, evaluate
from worker.trainer.training.loop import Outcome, train


@contextmanager
def memory_errors_as_infeasible() -> Iterator[None]:
    """Raises InfeasibleTrial where memory runs out, which is a fact about the architecture."""
    try:
        yield
    except (torch.OutOfMemoryError, MemoryError) as error:
        raise InfeasibleTrial(f"out of memory: {_first_line(error)}") from None
    except RuntimeError as error:
        if "allocate memory" not in str(error):  # torch's message on the CPU
            raise
        raise InfeasibleTrial(f"out of memory: {_first_line(error)}") from None


def _first_line(error: BaseException) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__


@dataclass(frozen=True, slots=True)
class Trained:
    """The network that a job keeps, and how its training went."""

    network: Network
    outcome: Outcome
    comparison: Comparison | None = None  # of a final fit with its winner


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRun:
    """A job with everything that its training needs."""

    job: TrainJob
    environment: TrainingEnvironment
    callbacks: TrainingCallbacks
    compute: Compute
    data: JobData

    def train(self) -> Trained:
        """Train the job's network from its initial weights."""
        storage = self.environment.storage
        inherited = inherited_weights(self.job, storage, self.data.training)
        torch.set_num_threads(self.compute.threads)
        network = initial_network(self.job, storage, inherited, self.compute)
        if self.job.is_final and inherited is not None:
            return self._train_beside_winner(network, inherited)
        outcome = self._train(network)
        return Trained(self._joint(network), outcome)

    def _train_beside_winner(self, network: Network | Ensemble, weights: Weights) -> Trained:
        """Train a final network, and keep the winner where it ends worse."""
        job = self.job
        architecture = job.members[0].architecture if job.members else job.architecture
        winner = network_with(architecture, weights, self.compute)
        before = self._evaluate_held_out(winner)
        outcome, final, after, reason = Outcome(), winner, None, ""
        try:
            with memory_errors_as_infeasible():  # the winner alone may fit into memory
                outcome = self._train(network)
                final = self._joint(network)
                after = self._evaluate_held_out(final)
        except InfeasibleTrial as error:
            reason = str(error)
        comparison = compare(job.task, before, after, reason)
        kept = winner if comparison.exported == "winner" else final
        return Trained(kept, outcome, comparison)

    def _train(self, network: Network | Ensemble) -> Outcome:
        job, h = self.job, self.job.hyperparameters
        outputs = TASKS[job.task]().outputs(job.dataset_spec)
        loss_of = LOSSES[job.task]()
        return train(
            network,
            self.data.training,
            self.data.validation,
            h,
            task=job.task,
            seed=job.seed,
            compute=self.compute,
            keep_last=job.is_final or bool(h.averaging),
            chance_loss=loss_of.chance_loss(self.data.y_train, outputs, h.label_smoothing),
            should_stop=self.callbacks.should_stop,
            on_step=self.callbacks.on_step,
            on_epoch=self.callbacks.on_epoch,
            clock=self.environment.clock,
        )

    def _joint(self, network: Network | Ensemble) -> Network:
        """The trained network, or those of an ensemble as one: the form that is exported."""
        if isinstance(network, Network):
            return network
        return network_with(network.architecture, network.weights(), self.compute)

    def _evaluate_held_out(self, network: Network) -> Evaluation:
        """Evaluate on the examples that a final fit does not train on."""
        assert self.data.validation is not None
        return evaluate(network, self.data.validation, self.job.task, self.compute.exact)
