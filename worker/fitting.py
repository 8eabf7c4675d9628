"""Carrying out one order: read its inputs, train, compare and test, weights to storage."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from core.errors import BlobError, InfeasibleTrial, InvalidInput
from core.graph.architecture import Architecture
from core.graph.initialisation import initialise
from core.graph.weights import Weights, save
from core.protocol.contracts import Comparison, TestMetrics, TrainOrder
from core.protocol.states import TrialKind, TrialStatus
from core.protocol.storage import Storage
from core.search.defaults import BACKWARD
from core.tasks import TASKS
from worker import training
from worker.comparison import compare
from worker.compute import Compute, kind_of
from worker.ensemble import Ensemble
from worker.export import export
from worker.inputs import Data, DataReader, inherited_weights, member_weights
from worker.latency import latency
from worker.messages import Ended, EpochEnded
from worker.network import Network
from worker.tasks import LOSSES
from worker.training import EpochMetrics, Evaluation, Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingEnvironment:
    """Where and with what this process trains."""

    storage: Storage
    cache: Path
    device: torch.device
    threads: int
    computes: Mapping[int, Compute] = field(default_factory=dict)  # by `kind_of` network
    reader: DataReader = field(default_factory=DataReader)
    clock: Callable[[], float] = time.monotonic  # seconds, by which trainings keep to their time

    def compute(self, order: TrainOrder, architecture: Architecture) -> Compute:
        """How the order is computed: in float32 where nothing was measured."""
        h = order.hyperparameters
        plain = Compute(self.device, channels_last=h.channels_last, threads=self.threads)
        found = self.computes.get(kind_of(architecture), plain)
        return found.for_steps_of(BACKWARD * architecture.flops * h.batch_size)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingCallbacks:
    """Who is told how it goes, and asked whether to go on."""

    should_stop: Callable[[], bool]
    on_step: Callable[[int], None]
    on_epoch: Callable[[EpochEnded], None]


def fit(order: TrainOrder, environment: TrainingEnvironment, callbacks: TrainingCallbacks) -> Ended:
    """Train as ordered; how it ended, whatever is known to go wrong.

    What nobody foresaw is raised: the process ends and its supervisor reports.
    """
    try:
        with _within_memory():
            return _fit(order, environment, callbacks)
    except InfeasibleTrial as error:
        return Ended(status=TrialStatus.INFEASIBLE, reason=str(error))
    except (BlobError, InvalidInput) as error:  # the same again would find the same
        return Ended(status=TrialStatus.FAILED, reason=str(error), retry=False)
    except OSError as error:
        return Ended(status=TrialStatus.FAILED, reason=f"storage or disk: {error}")


@contextmanager
def _within_memory() -> Iterator[None]:
    """Raises InfeasibleTrial where the memory does not suffice: a fact about the architecture."""
    try:
        yield
    except (torch.OutOfMemoryError, MemoryError) as error:
        raise InfeasibleTrial(f"out of memory: {_first_line(error)}") from None
    except RuntimeError as error:
        if "allocate memory" not in str(error):  # torch's word for it on the CPU
            raise
        raise InfeasibleTrial(f"out of memory: {_first_line(error)}") from None


def _fit(
    order: TrainOrder, environment: TrainingEnvironment, callbacks: TrainingCallbacks
) -> Ended:
    compute = environment.compute(order, Architecture.from_json(order.architecture))
    data = environment.reader.read(order, environment.storage, environment.cache, compute)
    inherited = inherited_weights(order, environment.storage, data.training)
    torch.set_num_threads(compute.threads)
    network = _begun(order, environment.storage, inherited, compute)
    run = _Run(order, environment, callbacks, compute, data, network)
    is_final = order.kind is TrialKind.FINAL
    trained = run.train_on(inherited) if is_final and inherited is not None else run.train()
    ended = _ended(order, trained, _latency(trained.network, order, compute))
    if is_final and not trained.outcome.stopped:
        ended = _finish(run, trained, ended)
    blob = environment.storage.put("weights", save(trained.network.weights()), "safetensors")
    return ended.model_copy(update={"weights": blob, "precision": str(compute)})


def _begun(
    order: TrainOrder, storage: Storage, inherited: Weights | None, compute: Compute
) -> Network | Ensemble:
    """The network that is trained, or several of them, with the weights that they begin with."""
    if order.members:
        begun = member_weights(order, storage)
        return Ensemble([_network(*one, compute) for one in begun])
    architecture = Architecture.from_json(order.architecture)
    if inherited is None or order.fresh:
        inherited = initialise(architecture, np.random.default_rng(order.seed))
    return _network(architecture, inherited, compute)


def _network(architecture: Architecture, weights: Weights, compute: Compute) -> Network:
    """The network with these weights, laid out on the device."""
    network = Network(architecture)
    network.read(weights)
    network.to(compute.device)
    network.to(memory_format=compute.memory_format)  # type: ignore[call-overload]
    return network


@dataclass(frozen=True, slots=True)
class _Trained:
    """The network that is to be kept, and how it came about."""

    network: Network
    outcome: Outcome
    comparison: Comparison | None = None


@dataclass(frozen=True, slots=True)
class _Run:
    """One order on its way."""

    order: TrainOrder
    environment: TrainingEnvironment
    callbacks: TrainingCallbacks
    compute: Compute
    data: Data
    network: Network | Ensemble

    def train(self) -> _Trained:
        """Train the network from the weights that it has."""
        outcome = self._train()
        return _Trained(self._whole(), outcome)

    def train_on(self, weights: Weights) -> _Trained:
        """Train a final network; where it ends worse than the winner, that one is kept."""
        order = self.order
        own = order.members[0].architecture if order.members else order.architecture
        winner = _network(Architecture.from_json(own), weights, self.compute)
        before = self._held_out(winner)
        outcome, final, after, reason = Outcome(), winner, None, ""
        try:
            with _within_memory():  # of several networks, where the winner alone has enough
                outcome = self._train()
                final = self._whole()
                after = self._held_out(final)
        except InfeasibleTrial as error:
            reason = str(error)
        comparison = compare(order.task, before, after, reason)
        kept = winner if comparison.exported == "winner" else final
        return _Trained(kept, outcome, comparison)

    def _whole(self) -> Network:
        """What was trained as one network, as it is exported."""
        if isinstance(self.network, Network):
            return self.network
        return _network(self.network.architecture, self.network.weights(), self.compute)

    def _train(self) -> Outcome:
        order, h = self.order, self.order.hyperparameters
        smoothing, classes = h.label_smoothing, order.dataset_spec.classes
        return training.train(
            self.network,
            self.data.training,
            self.data.validation,
            h,
            task=order.task,
            seed=order.seed,
            compute=self.compute,
            keep_last=order.kind is TrialKind.FINAL or bool(h.averaging),
            chance_loss=LOSSES[order.task]().chance_loss(self.data.y_train, classes, smoothing),
            should_stop=self.callbacks.should_stop,
            on_step=self.callbacks.on_step,
            on_epoch=lambda metrics: self.callbacks.on_epoch(_epoch(metrics)),
            clock=self.environment.clock,
        )

    def _held_out(self, network: Network) -> Evaluation:
        """A network's metric on what a final fit does not train on."""
        assert self.data.validation is not None
        return training.evaluate(network, self.data.validation, self.order.task, self.compute.exact)


def _finish(run: _Run, trained: _Trained, ended: Ended) -> Ended:
    """Look at the test split, once, in the precision of the export, and store that."""
    order, data, network = run.order, run.data, trained.network
    found = training.evaluate(network, data.test, order.task, run.compute.exact)
    metrics = TestMetrics(metric=found.metric, loss=found.loss, examples=found.examples)
    packed = export(
        order,
        network.architecture,
        network.weights(),
        data.normalisation,
        metrics,
        comparison=trained.comparison,
        seconds=ended.seconds,
    )
    blob = run.environment.storage.put("exports", packed, "zip")
    found_out = {"test": metrics, "export": blob, "comparison": trained.comparison}
    return ended.model_copy(update=found_out)


def _latency(network: Network, order: TrainOrder, compute: Compute) -> float:
    shape = order.dataset_spec.input_shape
    return latency(network, shape, compute.device, memory_format=compute.memory_format)


def _ended(order: TrainOrder, trained: _Trained, latency: float) -> Ended:
    outcome = trained.outcome
    best = None if order.kind is TrialKind.FINAL else outcome.best
    early = outcome.stopped or outcome.behind
    return Ended(
        status=TrialStatus.STOPPED if early else TrialStatus.COMPLETED,
        reason=_behind(order, outcome) if outcome.behind else "",
        value_at_rung=None if outcome.at_rung is None or best is None else outcome.at_rung.metric,
        value=None if best is None else best.metric,
        value_std=None if best is None else training.value_std(order.task, best),
        validation_loss=None if best is None else best.calibrated_loss,
        epochs=outcome.epochs,
        best_epoch=outcome.best_epoch,
        seconds=outcome.seconds,
        samples_per_second=outcome.samples_per_second,
        latency=latency,
        parameters=trained.network.architecture.parameters,
    )


def _behind(order: TrainOrder, outcome: Outcome) -> str:
    h = order.hyperparameters
    assert outcome.at_rung is not None
    return (
        f"stopped early: {TASKS[order.task].metric} {outcome.at_rung.metric:.4f} after "
        f"{100 * h.rung:.0f} % of its training, where {h.least_at_rung:.4f} was needed"
    )


def _epoch(metrics: EpochMetrics) -> EpochEnded:
    return EpochEnded(
        epoch=metrics.epoch,
        train_loss=metrics.train_loss,
        validation_loss=metrics.validation_loss,
        validation_metric=metrics.validation_metric,
        learning_rate=metrics.learning_rate,
        seconds=metrics.seconds,
    )


def _first_line(error: BaseException) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
