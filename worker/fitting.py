"""Carrying out one order: data, weights of the parent, morphisms, training, weights to storage."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from core import datasets
from core.architecture import Architecture
from core.contracts import Comparison, TestMetrics, TrainOrder
from core.datasets import Arrays
from core.errors import BlobError, CorruptBlob, InfeasibleTrial, InvalidInput
from core.morphisms import apply_all, from_json, transfer_all
from core.splits import final_split, validation_split
from core.storage import Storage
from core.tasks import TASKS
from core.trial import TrialKind, TrialStatus
from core.weights import Weights, check, initialise, load, save
from worker import training
from worker.comparison import compare
from worker.data import Examples, Normalisation
from worker.export import export
from worker.latency import latency
from worker.messages import Ended, EpochEnded
from worker.network import Network
from worker.tasks import LOSSES
from worker.training import EpochMetrics, Evaluation, Outcome

#: FLOPs of one training step below which a second thread costs more than it brings.
SMALL_STEP = 4e8
Indices = NDArray[np.intp]
PROBE = 256  # training examples that morphisms which lose something may look at


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """Where and with what this process trains."""

    storage: Storage
    cache: Path
    device: torch.device
    threads: int
    clock: Callable[[], float] = time.monotonic  # seconds, by which trainings keep to their time


@dataclass(frozen=True, slots=True, kw_only=True)
class Listener:
    """Who is told how it goes, and asked whether to go on."""

    should_stop: Callable[[], bool]
    on_step: Callable[[int], None]
    on_epoch: Callable[[EpochEnded], None]


@dataclass(frozen=True, slots=True)
class _Data:
    training: Examples
    validation: Examples | None  # never trained on; None in a final fit without a parent
    normalisation: Normalisation
    arrays: Arrays


@dataclass(frozen=True, slots=True)
class _Trained:
    """A trained network, the weights that are to be kept, and how they came about."""

    network: Network
    weights: Weights
    outcome: Outcome
    comparison: Comparison | None = None


def fit(order: TrainOrder, bench: Bench, listener: Listener) -> Ended:
    """Train as ordered; how it ended, whatever is known to go wrong.

    What nobody foresaw is raised: the process ends and its supervisor reports.
    """
    try:
        return _fit(order, bench, listener)
    except InfeasibleTrial as error:
        return Ended(status=TrialStatus.INFEASIBLE, reason=str(error))
    except (BlobError, InvalidInput) as error:  # the same again would find the same
        return Ended(status=TrialStatus.FAILED, reason=str(error), retry=False)
    except (torch.OutOfMemoryError, MemoryError) as error:
        return Ended(status=TrialStatus.INFEASIBLE, reason=f"out of memory: {_first_line(error)}")
    except OSError as error:
        return Ended(status=TrialStatus.FAILED, reason=f"storage or disk: {error}")
    except RuntimeError as error:
        if "allocate memory" not in str(error):  # torch's word for it on the CPU
            raise
        return Ended(status=TrialStatus.INFEASIBLE, reason=f"out of memory: {_first_line(error)}")


def _fit(order: TrainOrder, bench: Bench, listener: Listener) -> Ended:
    data = _data(order, bench)
    architecture, inherited = _start(order, bench, data.training)
    fresh = inherited is None or order.fresh
    start = initialise(architecture, np.random.default_rng(order.seed)) if fresh else inherited
    torch.set_num_threads(_threads(architecture, order, bench))
    network = Network(architecture)
    network.read(start or {})
    network.to(bench.device)
    network.to(memory_format=_memory_format(order))  # type: ignore[call-overload]
    is_final = order.kind is TrialKind.FINAL
    if is_final and inherited is not None:
        trained = _train_final(order, bench, listener, data, network, inherited)
    else:
        outcome = _train(order, bench, listener, data, network)
        trained = _Trained(network, network.weights(), outcome)
    ended = _ended(order, architecture, trained.outcome, _latency(network, order, bench))
    if is_final and not trained.outcome.stopped:
        ended = _finish(order, bench, trained, data, ended)
    blob = bench.storage.put("weights", save(trained.weights), "safetensors")
    return ended.model_copy(update={"weights": blob})


def _train(
    order: TrainOrder, bench: Bench, listener: Listener, data: _Data, network: Network
) -> Outcome:
    return training.train(
        network,
        data.training,
        data.validation,
        order.hyperparameters,
        task=order.task,
        seed=order.seed,
        device=bench.device,
        chance_loss=_chance_loss(order, data),
        keep_last=order.kind is TrialKind.FINAL or bool(order.hyperparameters.averaging),
        should_stop=listener.should_stop,
        on_step=listener.on_step,
        on_epoch=lambda metrics: listener.on_epoch(_epoch(metrics)),
        clock=bench.clock,
    )


def _chance_loss(order: TrainOrder, data: _Data) -> float:
    """The loss of always predicting how frequent the classes are."""
    smoothing, classes = order.hyperparameters.label_smoothing, order.dataset_spec.classes
    return LOSSES[order.task]().chance_loss(data.arrays.y_train, classes, smoothing)


def _train_final(
    order: TrainOrder,
    bench: Bench,
    listener: Listener,
    data: _Data,
    network: Network,
    winner: Weights,
) -> _Trained:
    """Train the winner on; where that makes it worse, its own weights are kept."""
    start = network.weights()
    network.read(winner)
    before = _held_out(order, bench, data, network)
    network.read(start)
    after: Evaluation | None = None
    reason = ""
    outcome = Outcome()
    try:
        outcome = _train(order, bench, listener, data, network)
        after = _held_out(order, bench, data, network)
    except InfeasibleTrial as error:
        reason = str(error)
    comparison = compare(order.task, before, after, reason)
    if comparison.exported == "winner":
        network.read(winner)
    return _Trained(network, network.weights(), outcome, comparison)


def _held_out(order: TrainOrder, bench: Bench, data: _Data, network: Network) -> Evaluation:
    """The network's metric on what a final fit does not train on."""
    assert data.validation is not None
    return training.evaluate(network, data.validation, order.task, bench.device)


def _start(
    order: TrainOrder, bench: Bench, examples: Examples
) -> tuple[Architecture, Weights | None]:
    """The architecture of the order and the weights inherited for it, if any."""
    architecture = Architecture.from_json(order.architecture)
    rng = np.random.default_rng(order.seed)
    if order.parent_weights is None:
        return architecture, None
    parent = Architecture.from_json(order.parent_architecture or order.architecture)
    inherited = load(bench.storage.get(order.parent_weights))
    check(parent, inherited)
    morphisms = [from_json(data) for data in order.morphisms]
    morphed = apply_all(parent, morphisms)
    if morphed.fingerprint != architecture.fingerprint:
        raise CorruptBlob(
            f"the morphisms lead to architecture {morphed.fingerprint[:12]}; "
            f"the order is for {architecture.fingerprint[:12]}"
        )
    exact = all(morphism.preserves_function for morphism in morphisms)
    probe = None if exact else examples.some(PROBE)
    noise = order.hyperparameters.morph_noise
    return morphed, transfer_all(parent, inherited, morphisms, rng, probe, noise)


def _data(order: TrainOrder, bench: Bench) -> _Data:
    """The data set of the order, split and on the device."""
    path = bench.storage.local_path(order.dataset, bench.cache)
    arrays = datasets.decode(path)
    h = order.hyperparameters
    chosen, held = _split(order, arrays)
    x, y = arrays.x_train[chosen], arrays.y_train[chosen]
    trained, _ = validation_split(arrays.y_train, h.validation_fraction, h.split_seed)
    continues = order.kind is TrialKind.FINAL and order.parent_weights is not None
    # what inherited weights were trained with, so that they mean the same
    normalisation = Normalisation.of(arrays.x_train[trained] if continues else x)
    examples = Examples(
        x, y, normalisation, bench.device,
        augmentation=h.augmentation, erasing=h.erasing, channels_last=h.channels_last,
    )  # fmt: skip
    validation = None
    if len(held):
        validation = Examples(
            arrays.x_train[held], arrays.y_train[held], normalisation, bench.device,
            channels_last=h.channels_last,
        )  # fmt: skip
    return _Data(examples, validation, normalisation, arrays)


def _split(order: TrainOrder, arrays: Arrays) -> tuple[Indices, Indices]:
    """The examples to train on and those held out: of a final fit only some of the validation."""
    h = order.hyperparameters
    chosen, held = validation_split(arrays.y_train, h.validation_fraction, h.split_seed)
    if order.kind is not TrialKind.FINAL:
        return chosen, held
    if order.parent_weights is None:
        return np.arange(len(arrays.y_train)), held[:0]
    return final_split(arrays.y_train, held, order.holdout, h.split_seed)


def _finish(order: TrainOrder, bench: Bench, trained: _Trained, data: _Data, ended: Ended) -> Ended:
    """Look at the test split, once, and store the export."""
    test = Examples(
        data.arrays.x_test, data.arrays.y_test, data.normalisation, bench.device,
        channels_last=order.hyperparameters.channels_last,
    )  # fmt: skip
    found = training.evaluate(trained.network, test, order.task, bench.device)
    metrics = TestMetrics(metric=found.metric, loss=found.loss, examples=found.examples)
    architecture = Architecture.from_json(order.architecture)
    packed = export(
        order,
        architecture,
        trained.weights,
        data.normalisation,
        metrics,
        comparison=trained.comparison,
        seconds=ended.seconds,
    )
    blob = bench.storage.put("exports", packed, "zip")
    found_out = {"test": metrics, "export": blob, "comparison": trained.comparison}
    return ended.model_copy(update=found_out)


def _latency(network: Network, order: TrainOrder, bench: Bench) -> float:
    shape, memory_format = order.dataset_spec.input_shape, _memory_format(order)
    return latency(network, shape, bench.device, memory_format=memory_format)


def _ended(
    order: TrainOrder, architecture: Architecture, outcome: Outcome, latency: float
) -> Ended:
    best = None if order.kind is TrialKind.FINAL else outcome.best
    early = outcome.stopped or outcome.behind
    return Ended(
        status=TrialStatus.STOPPED if early else TrialStatus.COMPLETED,
        reason=_behind(order, outcome) if outcome.behind else "",
        value_at_rung=None if outcome.at_rung is None or best is None else outcome.at_rung.metric,
        value=None if best is None else best.metric,
        value_std=None if best is None else training.value_std(order.task, best),
        validation_loss=None if best is None else best.loss,
        epochs=outcome.epochs,
        best_epoch=outcome.best_epoch,
        seconds=outcome.seconds,
        samples_per_second=outcome.samples_per_second,
        latency=latency,
        parameters=architecture.parameters,
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


def _threads(architecture: Architecture, order: TrainOrder, bench: Bench) -> int:
    """One thread for small steps: several would wait for each other most of the time."""
    step = 3 * architecture.flops * order.hyperparameters.batch_size
    return 1 if step < SMALL_STEP else bench.threads


def _memory_format(order: TrainOrder) -> torch.memory_format:
    last = order.hyperparameters.channels_last
    return torch.channels_last if last else torch.contiguous_format


def _first_line(error: BaseException) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
