"""A final fit is compared with the winner that it continues; the better network is exported."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

from core.errors import InfeasibleTrial
from core.protocol.contracts.results import Comparison, TestMetrics
from worker.tasks import AbstractLoss, loss_of
from worker.trainer.job_data import JobData
from worker.trainer.networks.compute import Compute
from worker.trainer.networks.loading import network_with
from worker.trainer.networks.network import Network
from worker.trainer.train_job import TrainJob
from worker.trainer.training.checks import memory_errors_as_infeasible
from worker.trainer.training.evaluation import Evaluation, evaluate
from worker.trainer.training.loop import Outcome

#: A final network counts as worse from this many standard errors of the difference.
WORSE = 2.0


@dataclass(frozen=True, slots=True)
class Trained:
    """The network that a job keeps, and how its training went."""

    network: Network
    outcome: Outcome
    comparison: Comparison | None = None  # of a final fit with its winner
    note: str = ""  # on how a completed training went


def train_beside_winner(
    winner: Network,
    train: Callable[[], Trained],
    held_out: Callable[[Network], Evaluation],  # on the examples that are not trained on
    task: str | AbstractLoss,
) -> Trained:
    """Train a final network, and keep the winner where it ends worse or its training fails."""
    before = held_out(winner)
    final, after, reason = Trained(winner, Outcome()), None, ""
    try:
        with memory_errors_as_infeasible():  # the winner alone may fit into memory
            final = train()
            after = held_out(final.network)
    except InfeasibleTrial as error:
        reason = str(error)
    comparison = compare(task, before, after, reason)
    kept = winner if comparison.exported == "winner" else final.network
    return Trained(kept, final.outcome, comparison)


def compare(
    task: str | AbstractLoss, before: Evaluation, after: Evaluation | None, reason: str
) -> Comparison:
    """Compare winner and final network; `after` is None where the final training failed.

    The final network is exported, unless it is worse beyond noise. Both were measured on the same
    examples, so the error of independent measurements overestimates the noise: a collapse counts
    as worse, bad luck does not.
    """
    loss = loss_of(task)
    kind = loss.task
    if after is None:
        worse, reason = True, f"the final training failed: {reason}"
    else:
        lost = kind.objective(before.metric) - kind.objective(after.metric)
        noise = math.hypot(before.std(loss), after.std(loss))
        worse = lost > WORSE * noise
        reason = (
            f"{kind.metric} {'fell' if kind.larger_is_better else 'rose'} from "
            f"{kind.in_words(before.metric)} to "
            f"{kind.in_words(after.metric)} on {before.examples} held-out examples, "
            f"by more than {WORSE:g} standard errors"
            if worse
            else ""
        )
    return Comparison(
        examples=before.examples,
        before=before.metric,
        after=None if after is None else after.metric,
        exported="winner" if worse else "final",
        reason=reason,
    )


def measure_and_export(
    job: TrainJob, trained: Trained, data: JobData, compute: Compute
) -> tuple[TestMetrics, bytes]:
    """Evaluate on the test split, once, and pack the export.

    The evaluation is in the precision and memory format of the export: on a CPU every bit is equal.
    """
    # Not above: their slow imports, such as onnx, would delay the first trial of a trainer.
    from worker.trainer.export import export  # noqa: PLC0415
    from worker.trainer.export.detail import detail_of  # noqa: PLC0415
    from worker.trainer.export.int8 import TestSplit  # noqa: PLC0415

    assert data.inputs is not None
    architecture, weights = trained.network.architecture, trained.network.weights()
    plain = replace(compute.exact, channels_last=False)
    test = evaluate(network_with(architecture, weights, plain), data.test, data.loss, plain)
    metrics = TestMetrics(
        metric=test.metric,
        std=test.std(data.loss),
        loss=test.loss,
        examples=test.examples,
        measures=test.all_measures(data.loss),
    )
    packed = export(
        job,
        architecture,
        weights,
        data.inputs,
        metrics,
        comparison=trained.comparison,
        seconds=trained.outcome.seconds,
        split=TestSplit(data.test, data.loss, job.dataset_spec.layout),
        detail=detail_of(job.dataset_spec, test.outputs, test.targets, data.loss),
    )
    return metrics, packed
