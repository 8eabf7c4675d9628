"""Carrying out one order: decode it, train its network, store the weights, describe the ending."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any
from uuid import UUID

import torch

from core.errors import (
    BlobError,
    ExportMismatch,
    InfeasibleTrial,
    InvalidInput,
    NetmorphError,
    OutOfMemory,
)
from core.graph.weights import save
from core.protocol.contracts.train_orders import TrainOrder
from core.protocol.proofs import proof
from core.protocol.states import TrialStatus
from worker.messages import Ended
from worker.trainer import checkpoints
from worker.trainer.data.examples import Examples
from worker.trainer.environment import TrainingCallbacks, TrainingEnvironment
from worker.trainer.final_fit import Trained, measure_and_export, train_beside_winner
from worker.trainer.given_network import train_from_given
from worker.trainer.initial_weights import (
    DamagedWeights,
    inherited_weights,
    initial_network,
)
from worker.trainer.job_data import JobData, UnreadableDataset
from worker.trainer.networks.compute import Compute
from worker.trainer.networks.ensemble import Ensemble
from worker.trainer.networks.latency import latency
from worker.trainer.networks.loading import network_with
from worker.trainer.networks.network import Network
from worker.trainer.result_storage import ResultStorage
from worker.trainer.train_job import TrainJob
from worker.trainer.training.checkpointer import Checkpointer, Snapshot
from worker.trainer.training.checks import check_finite_weights, memory_errors_as_infeasible
from worker.trainer.training.evaluation import Evaluation, evaluate
from worker.trainer.training.loop import Outcome, TrainingInterrupted, train
from worker.trainer.training.state import State
from worker.trainer.training.threads import ThreadSettings


class ReadingStopped(NetmorphError):
    """The training was stopped before its first step; what was read is kept for the next one."""


def run_order(
    order: TrainOrder, environment: TrainingEnvironment, callbacks: TrainingCallbacks
) -> Ended:
    """Train as ordered; how it ended, whatever foreseen error occurred.

    An unforeseen error is raised: the process exits, and its supervisor reports that.

    Raises:
        TrainingInterrupted: it was to be handed back; its last checkpoint is stored.
    """
    try:
        with memory_errors_as_infeasible():
            return _run(TrainJob.of(order), order.token, environment, callbacks)
    except InfeasibleTrial as error:
        return Ended(
            status=TrialStatus.INFEASIBLE,
            reason=str(error),
            out_of_memory=isinstance(error, OutOfMemory),
        )
    except ReadingStopped as error:
        return Ended(status=TrialStatus.STOPPED, reason=str(error))
    except DamagedWeights as error:
        return Ended(status=TrialStatus.FAILED, reason=str(error), retry=False, damaged=error.blob)
    except UnreadableDataset as error:  # no fault of the trial
        return Ended(status=TrialStatus.FAILED, reason=str(error), setback=True, damaged=error.blob)
    except (BlobError, InvalidInput, ExportMismatch) as error:  # would be the same again
        return Ended(status=TrialStatus.FAILED, reason=str(error), retry=False)
    except OSError as error:
        return Ended(status=TrialStatus.FAILED, reason=f"storage or disk: {error}", setback=True)


def _run(
    job: TrainJob, token: UUID, environment: TrainingEnvironment, callbacks: TrainingCallbacks
) -> Ended:
    begun = checkpoints.read(job, environment.storage, environment.here)
    compute = begun.compute or environment.compute(job)
    on_block = partial(_go_on_reading, callbacks)
    data = environment.reader.read(job, environment.storage, environment.cache, compute, on_block)
    run = JobRun(
        job=job,
        environment=environment,
        callbacks=callbacks,
        compute=compute,
        data=data,
        state=begun.state,
    )
    trained, storage = run.train(), run.results
    facts: dict[str, Any] = {}
    if job.makes_export and not trained.outcome.stopped:
        test, packed = measure_and_export(job, trained, data, compute)
        facts = {"test": test, "comparison": trained.comparison}
        facts["export"] = storage.put("exports", packed, "zip")
        facts["export_proof"] = proof(token, packed)
    if not job.is_export:  # its weights are stored: they are the parent's
        weights = save(trained.network.weights())
        facts["weights"] = storage.put("weights", weights, "safetensors")
        facts["weights_proof"] = proof(token, weights)
    return _ended(run, trained).model_copy(update=facts)


def _go_on_reading(callbacks: TrainingCallbacks) -> None:
    """Say that data are read; raises ReadingStopped or TrainingInterrupted where that is to end."""
    callbacks.on_read()
    if callbacks.should_stop():
        raise ReadingStopped("stopped while it read its data, before the first step")
    if callbacks.should_hand_back():
        raise TrainingInterrupted("it was reading its data")


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRun:
    """A job with everything that its training needs."""

    job: TrainJob
    environment: TrainingEnvironment
    callbacks: TrainingCallbacks
    compute: Compute
    data: JobData
    state: State | None = None  # of an earlier attempt, which this one continues

    @property
    def results(self) -> ResultStorage:
        """Where the results of the training are stored."""
        environment = self.environment
        return ResultStorage(environment.storage, environment.wait, self.callbacks.should_stop)

    def train(self) -> Trained:
        """Train the job's network from its initial weights."""
        job, storage = self.job, self.environment.storage
        compared = job.is_final or job.starts_from_given  # with the weights that it starts from
        is_begun = self.state is not None and not compared  # then the parent is not needed
        data = self.data
        inherited = (
            None if is_begun else inherited_weights(job, storage, data.training, data.targets)
        )
        torch.set_num_threads(self.compute.threads)
        network = initial_network(job, storage, inherited, self.compute)
        if job.is_export:
            self.callbacks.on_step(1)  # the data are read
            return Trained(self._joint(network), Outcome())
        if job.starts_from_given and inherited is not None:
            given = network_with(job.architecture, inherited, self.compute)
            return train_from_given(
                given,
                lambda: self._train(network),
                lambda one: evaluate(one, self._validation, self.data.loss, self.compute),
                job.measured,
            )
        if inherited is None or not job.is_final:
            return self._train(network)
        architecture = job.members[0].architecture if job.members else job.architecture
        winner = network_with(architecture, inherited, self.compute)
        return train_beside_winner(
            winner, lambda: self._train(network), self._evaluate_held_out, self.data.loss
        )

    def _train(self, network: Network | Ensemble) -> Trained:
        job = self.job
        checkpointer = Checkpointer(
            self._store, job.checkpoint_seconds, self.callbacks.should_hand_back
        )
        try:
            outcome = self._run_loop(network, checkpointer)
        except TrainingInterrupted:
            checkpointer.store()
            raise
        check_finite_weights(network)
        return Trained(self._joint(network), outcome)

    def _on_step(self) -> Callable[[int], None]:
        """The callback, which also adapts the threads unless how it computes is fixed."""
        threads, on_step = self.compute.threads, self.callbacks.on_step
        is_fixed = not self.environment.adapts_threads or self.compute.device.type != "cpu"
        if is_fixed or threads == 1:
            return on_step
        in_use = ThreadSettings(threads, self.environment.clock)

        def adapt_and_report(step: int) -> None:
            in_use.step_ended()
            on_step(step)

        return adapt_and_report

    def _run_loop(self, network: Network | Ensemble, checkpointer: Checkpointer) -> Outcome:
        job, h = self.job, self.job.hyperparameters
        outputs = job.measured.outputs(job.dataset_spec)
        loss = self.data.loss
        return train(
            network,
            self.data.training,
            self.data.validation,
            h,
            task=loss,
            seed=job.seed,
            compute=self.compute,
            keep_last=job.is_final or bool(h.averaging),
            chance_loss=loss.chance_loss(self.data.y_train, outputs, h.label_smoothing),
            should_stop=self.callbacks.should_stop,
            on_step=self._on_step(),
            on_epoch=self.callbacks.on_epoch,
            clock=self.environment.clock,
            checkpointer=checkpointer,
            state=self.state,
        )

    def _store(self, snapshot: Snapshot) -> None:
        checkpoint = checkpoints.write(self.job, self.compute, snapshot, self.environment.storage)
        self.callbacks.on_checkpoint(checkpoint)

    def _joint(self, network: Network | Ensemble) -> Network:
        """The trained network, or those of an ensemble as one: the form that is exported."""
        if isinstance(network, Network):
            return network
        return network_with(network.architecture, network.weights(), self.compute)

    def _evaluate_held_out(self, network: Network) -> Evaluation:
        """Evaluate on the examples that a final fit does not train on."""
        return evaluate(network, self._validation, self.data.loss, self.compute.exact)

    @property
    def _validation(self) -> Examples:
        assert self.data.validation is not None
        return self.data.validation


def _ended(run: JobRun, trained: Trained) -> Ended:
    """How the training ended, before its weights are stored."""
    outcome = trained.outcome
    return Ended(
        status=TrialStatus.STOPPED if outcome.stopped or outcome.behind else TrialStatus.COMPLETED,
        reason=_reason_behind(run.job, outcome) if outcome.behind else trained.note,
        precision=str(run.compute),
        epochs=outcome.epochs,
        best_epoch=outcome.best_epoch,
        seconds=outcome.seconds,
        samples_per_second=outcome.samples_per_second,
        latency=_latency(run, trained.network),
        parameters=trained.network.architecture.parameters,
        **({} if run.job.is_final else _values(run, outcome)),
    )


def _values(run: JobRun, outcome: Outcome) -> dict[str, Any]:
    """The objective at the best epoch and at the rung, and the loss; a final fit has none."""
    loss, best = run.data.loss, outcome.best
    task = loss.task
    if best is None:
        return {}
    values = {
        "value": task.objective(best.metric),
        "value_std": best.std(loss),
        "validation_loss": best.calibrated_loss(loss),
        "measures": best.measures(loss),
    }
    if outcome.at_rung is not None:
        values["value_at_rung"] = task.objective(outcome.at_rung.metric)
    return values


def _reason_behind(job: TrainJob, outcome: Outcome) -> str:
    """Why a training was stopped at its rung, in values of the metric."""
    h, task = job.hyperparameters, job.measured
    assert outcome.at_rung is not None
    assert h.least_at_rung is not None
    needed = task.of_objective(h.least_at_rung)
    return (
        f"stopped early: {task.metric} {task.in_words(outcome.at_rung.metric)} after "
        f"{100 * h.rung:.0f} % of its training, where {task.in_words(needed)} was needed"
    )


def _latency(run: JobRun, network: Network) -> float:
    shape, compute = run.job.dataset_spec.input_shape, run.compute
    return latency(network, shape, compute.device, memory_format=compute.memory_format)
