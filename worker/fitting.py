"""Carrying out one order: data, weights of the parent, morphisms, training, weights to storage."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from core import datasets
from core.architecture import Architecture
from core.contracts import TestMetrics, TrainOrder
from core.datasets import Arrays
from core.errors import BlobError, CorruptBlob, InfeasibleTrial, InvalidInput
from core.morphisms import apply_all, from_json, transfer_all
from core.plan import BACKWARD
from core.splits import validation_split
from core.storage import Storage
from core.trial import TrialKind, TrialStatus
from core.weights import Weights, check, initialise, load, save
from worker import training
from worker.compute import Compute, kind_of
from worker.data import Examples, Normalisation
from worker.export import export
from worker.latency import latency
from worker.messages import Ended, EpochEnded
from worker.network import Network
from worker.training import EpochMetrics, Outcome

PROBE = 256  # training examples that morphisms which lose something may look at


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """Where and with what this process trains."""

    storage: Storage
    cache: Path
    device: torch.device
    threads: int
    computes: Mapping[int, Compute] = field(default_factory=dict)  # by `kind_of` network

    def compute(self, order: TrainOrder, architecture: Architecture) -> Compute:
        """How the order is computed: in float32 where nothing was measured."""
        h = order.hyperparameters
        plain = Compute(self.device, channels_last=h.channels_last, threads=self.threads)
        found = self.computes.get(kind_of(architecture), plain)
        return found.for_steps_of(BACKWARD * architecture.flops * h.batch_size)


@dataclass(frozen=True, slots=True, kw_only=True)
class Listener:
    """Who is told how it goes, and asked whether to go on."""

    should_stop: Callable[[], bool]
    on_step: Callable[[int], None]
    on_epoch: Callable[[EpochEnded], None]


@dataclass(frozen=True, slots=True)
class _Data:
    training: Examples
    validation: Examples | None  # None in the final fit, which trains on it, too
    normalisation: Normalisation
    arrays: Arrays


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
    compute = bench.compute(order, Architecture.from_json(order.architecture))
    data = _data(order, bench, compute)
    architecture, weights = _start(order, bench, data.training)
    torch.set_num_threads(compute.threads)
    network = Network(architecture)
    network.read(weights)
    network.to(bench.device)
    network.to(memory_format=compute.memory_format)  # type: ignore[call-overload]
    outcome = training.train(
        network,
        data.training,
        data.validation,
        order.hyperparameters,
        task=order.task,
        seed=order.seed,
        compute=compute,
        should_stop=listener.should_stop,
        on_step=listener.on_step,
        on_epoch=lambda metrics: listener.on_epoch(_epoch(metrics)),
    )
    trained = network.weights()
    ended = _ended(order, architecture, outcome, _latency(network, order, compute))
    if order.kind is TrialKind.FINAL and not outcome.stopped:
        ended = _finish(order, bench, network, trained, data, ended, compute)
    blob = bench.storage.put("weights", save(trained), "safetensors")
    return ended.model_copy(update={"weights": blob, "precision": str(compute)})


def _start(order: TrainOrder, bench: Bench, examples: Examples) -> tuple[Architecture, Weights]:
    """The architecture of the order and the weights to begin with."""
    architecture = Architecture.from_json(order.architecture)
    rng = np.random.default_rng(order.seed)
    if order.parent_weights is None:
        return architecture, initialise(architecture, rng)
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


def _data(order: TrainOrder, bench: Bench, compute: Compute) -> _Data:
    """The data set of the order, split and on the device."""
    path = bench.storage.local_path(order.dataset, bench.cache)
    arrays = datasets.decode(path)
    h, whole = order.hyperparameters, order.kind is TrialKind.FINAL
    chosen, held = validation_split(arrays.y_train, h.validation_fraction, h.split_seed)
    if whole:
        chosen = np.arange(len(arrays.y_train))
    x, y = arrays.x_train[chosen], arrays.y_train[chosen]
    normalisation = Normalisation.of(x)
    examples = Examples(
        x, y, normalisation, bench.device,
        augmentation=h.augmentation, channels_last=compute.channels_last,
    )  # fmt: skip
    validation = None
    if not whole:
        validation = Examples(
            arrays.x_train[held], arrays.y_train[held], normalisation, bench.device,
            channels_last=compute.channels_last,
        )  # fmt: skip
    return _Data(examples, validation, normalisation, arrays)


def _finish(
    order: TrainOrder,
    bench: Bench,
    network: Network,
    trained: Weights,
    data: _Data,
    ended: Ended,
    compute: Compute,
) -> Ended:
    """Look at the test split, once, in the precision of the export, and store that."""
    test = Examples(
        data.arrays.x_test, data.arrays.y_test, data.normalisation, bench.device,
        channels_last=compute.channels_last,
    )  # fmt: skip
    found = training.evaluate(network, test, order.task, compute.exact)
    metrics = TestMetrics(metric=found.metric, loss=found.loss, examples=found.examples)
    architecture = Architecture.from_json(order.architecture)
    packed = export(order, architecture, trained, data.normalisation, metrics)
    blob = bench.storage.put("exports", packed, "zip")
    return ended.model_copy(update={"test": metrics, "export": blob})


def _latency(network: Network, order: TrainOrder, compute: Compute) -> float:
    shape = order.dataset_spec.input_shape
    return latency(network, shape, compute.device, memory_format=compute.memory_format)


def _ended(
    order: TrainOrder, architecture: Architecture, outcome: Outcome, latency: float
) -> Ended:
    best = outcome.best
    return Ended(
        status=TrialStatus.STOPPED if outcome.stopped else TrialStatus.COMPLETED,
        value=None if best is None else best.metric,
        value_std=None if best is None else training.value_std(order.task, best),
        epochs=outcome.epochs,
        best_epoch=outcome.best_epoch,
        seconds=outcome.seconds,
        samples_per_second=outcome.samples_per_second,
        latency=latency,
        parameters=architecture.parameters,
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
