"""Carrying out one order: decode it, train, test and export a final network, store the weights."""

from typing import Any

from core.errors import BlobError, InfeasibleTrial, InvalidInput
from core.graph.weights import save
from core.protocol.contracts import TestMetrics, TrainOrder
from core.protocol.states import TrialStatus
from core.tasks import TASKS
from worker.messages import Ended
from worker.trainer.environment import TrainingCallbacks, TrainingEnvironment
from worker.trainer.export import export
from worker.trainer.job_run import JobRun, Trained, memory_errors_as_infeasible
from worker.trainer.networks.latency import latency
from worker.trainer.networks.network import Network
from worker.trainer.train_job import TrainJob
from worker.trainer.training.evaluation import evaluate
from worker.trainer.training.loop import Outcome


def run_order(
    order: TrainOrder, environment: TrainingEnvironment, callbacks: TrainingCallbacks
) -> Ended:
    """Train as ordered; how it ended, whatever foreseen error occurred.

    An unforeseen error is raised: the process exits, and its supervisor reports that.
    """
    try:
        with memory_errors_as_infeasible():
            return _run(TrainJob.of(order), environment, callbacks)
    except InfeasibleTrial as error:
        return Ended(status=TrialStatus.INFEASIBLE, reason=str(error))
    except (BlobError, InvalidInput) as error:  # another attempt would find the same
        return Ended(status=TrialStatus.FAILED, reason=str(error), retry=False)
    except OSError as error:
        return Ended(status=TrialStatus.FAILED, reason=f"storage or disk: {error}")


def _run(job: TrainJob, environment: TrainingEnvironment, callbacks: TrainingCallbacks) -> Ended:
    compute = environment.compute(job)
    data = environment.reader.read(job, environment.storage, environment.cache, compute)
    run = JobRun(job=job, environment=environment, callbacks=callbacks, compute=compute, data=data)
    trained = run.train()
    ended = _ended(run, trained)
    if job.is_final and not trained.outcome.stopped:
        ended = _test_and_export(run, trained, ended)
    blob = environment.storage.put("weights", save(trained.network.weights()), "safetensors")
    return ended.model_copy(update={"weights": blob})


def _ended(run: JobRun, trained: Trained) -> Ended:
    """How the training ended, before its weights are stored."""
    outcome = trained.outcome
    return Ended(
        status=TrialStatus.STOPPED if outcome.stopped or outcome.behind else TrialStatus.COMPLETED,
        reason=_reason_behind(run.job, outcome) if outcome.behind else "",
        precision=str(run.compute),
        epochs=outcome.epochs,
        best_epoch=outcome.best_epoch,
        seconds=outcome.seconds,
        samples_per_second=outcome.samples_per_second,
        latency=_latency(run, trained.network),
        parameters=trained.network.architecture.parameters,
        **({} if run.job.is_final else _values(run.job, outcome)),
    )


def _values(job: TrainJob, outcome: Outcome) -> dict[str, Any]:
    """The objective at the best epoch and at the rung, and the loss; a final fit has none."""
    task, best = TASKS[job.task](), outcome.best
    if best is None:
        return {}
    values = {
        "value": task.objective(best.metric),
        "value_std": task.value_std(best.metric, best.examples),
        "validation_loss": best.calibrated_loss(job.task),
    }
    if outcome.at_rung is not None:
        values["value_at_rung"] = task.objective(outcome.at_rung.metric)
    return values


def _reason_behind(job: TrainJob, outcome: Outcome) -> str:
    """Why a training was stopped at its rung, in values of the metric."""
    h, task = job.hyperparameters, TASKS[job.task]()
    assert outcome.at_rung is not None
    assert h.least_at_rung is not None
    needed = task.objective(h.least_at_rung)  # the objective is its own inverse
    return (
        f"stopped early: {task.metric} {outcome.at_rung.metric:.4f} after "
        f"{100 * h.rung:.0f} % of its training, where {needed:.4f} was needed"
    )


def _latency(run: JobRun, network: Network) -> float:
    shape, compute = run.job.dataset_spec.input_shape, run.compute
    return latency(network, shape, compute.device, memory_format=compute.memory_format)


def _test_and_export(run: JobRun, trained: Trained, ended: Ended) -> Ended:
    """Evaluate on the test split, once, in the precision of the export, and store the export."""
    data, network = run.data, trained.network
    test = evaluate(network, data.test, run.job.task, run.compute.exact)
    metrics = TestMetrics(metric=test.metric, loss=test.loss, examples=test.examples)
    packed = export(
        run.job,
        network.architecture,
        network.weights(),
        data.normalisation,
        metrics,
        comparison=trained.comparison,
        seconds=ended.seconds,
    )
    blob = run.environment.storage.put("exports", packed, "zip")
    facts = {"test": metrics, "export": blob, "comparison": trained.comparison}
    return ended.model_copy(update=facts)
