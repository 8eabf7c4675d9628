"""What an order trains on: its examples, split and on the device, and the weights to begin with."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from core.data import datasets
from core.data.datasets import Arrays
from core.data.splits import final_split, validation_split
from core.errors import CorruptBlob
from core.graph.architecture import Architecture
from core.graph.initialisation import initialise
from core.graph.weights import Weights, check, load
from core.morphisms import apply_all, from_json, transfer_all
from core.protocol.contracts import TrainOrder
from core.protocol.states import TrialKind
from core.protocol.storage import Storage
from core.search.ensembles import joined
from worker.compute import Compute
from worker.data import Examples, Normalisation

PROBE = 256  # training examples that morphisms which lose something may look at

Indices = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Data:
    """The examples of an order."""

    training: Examples
    validation: Examples | None  # never trained on; None in a final fit without a parent
    test: Examples
    y_train: NDArray[np.int64]  # labels of all training examples, shape: (n,)
    normalisation: Normalisation


class DataReader:
    """Reads the examples of orders and keeps those of the last one.

    The trials of a search train on the same examples in the same form; preparing a large data set
    takes longer than a hundred steps of a small network.
    """

    def __init__(self) -> None:
        self._key: tuple[object, ...] = ()
        self._data: Data | None = None

    def read(self, order: TrainOrder, storage: Storage, cache: Path, compute: Compute) -> Data:
        """The data set of the order, split and on the device."""
        key = _form(order, compute)
        if self._data is None or key != self._key:
            self._data = None  # two large data sets may be too many
            self._data, self._key = _read_data(order, storage, cache, compute), key
        return self._data


def _form(order: TrainOrder, compute: Compute) -> tuple[object, ...]:
    """All that examples depend on."""
    h = order.hyperparameters
    split = (h.validation_fraction, h.split_seed, order.kind, _continues(order), order.holdout)
    augmented = (h.augmentation, h.erasing)
    return (order.dataset.key, *split, *augmented, compute.device, compute.channels_last)


def _read_data(order: TrainOrder, storage: Storage, cache: Path, compute: Compute) -> Data:
    arrays = datasets.decode(storage.local_path(order.dataset, cache))
    h = order.hyperparameters
    trained, _ = validation_split(arrays.y_train, h.validation_fraction, h.split_seed)
    chosen, held = _split(order, arrays)
    # Inherited weights mean the same only under the statistics that they were trained with.
    basis = trained if _continues(order) else chosen
    normalisation = Normalisation.of(arrays.x_train[basis])

    def examples(x: NDArray[np.generic], y: NDArray[np.int64], **augmented: object) -> Examples:
        return Examples(
            x, y, normalisation, compute.device,
            channels_last=compute.channels_last, **augmented,  # type: ignore[arg-type]
        )  # fmt: skip

    x, y = arrays.x_train, arrays.y_train
    augmented = {"augmentation": h.augmentation, "erasing": h.erasing}
    return Data(
        training=examples(x[chosen], y[chosen], **augmented),
        validation=examples(x[held], y[held]) if len(held) else None,
        test=examples(arrays.x_test, arrays.y_test),
        y_train=y,
        normalisation=normalisation,
    )


def inherited_weights(order: TrainOrder, storage: Storage, examples: Examples) -> Weights | None:
    """The parent's weights after the order's morphisms; None where it has no parent.

    For an ensemble they are those of its first network, the winner.
    """
    if order.parent_weights is None:
        return None
    rng = np.random.default_rng(order.seed)
    parent = Architecture.from_json(order.parent_architecture or order.architecture)
    architecture = parent if order.members else Architecture.from_json(order.architecture)
    inherited = load(storage.get(order.parent_weights))
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
    return transfer_all(parent, inherited, morphisms, rng, probe, order.hyperparameters.morph_noise)


def member_weights(order: TrainOrder, storage: Storage) -> list[tuple[Architecture, Weights]]:
    """The networks of an ensemble as a final fit begins with them: inherited, or fresh."""
    found = []
    for place, member in enumerate(order.members):
        architecture = Architecture.from_json(member.architecture)
        if order.fresh:
            weights = initialise(architecture, np.random.default_rng([order.seed, place]))
        else:
            weights = load(storage.get(member.weights))
            check(architecture, weights)
        found.append((architecture, weights))
    whole = joined([architecture for architecture, _ in found])
    if whole != Architecture.from_json(order.architecture):
        raise CorruptBlob(
            f"the {len(found)} networks make architecture {whole.fingerprint[:12]}; "
            "the order is for another one"
        )
    return found


def _continues(order: TrainOrder) -> bool:
    """Whether the order is a final fit that has a winner to go on from."""
    return order.kind is TrialKind.FINAL and order.parent_weights is not None


def _split(order: TrainOrder, arrays: Arrays) -> tuple[Indices, Indices]:
    """The examples to train on and those held out: of a final fit only some of the validation."""
    h = order.hyperparameters
    chosen, held = validation_split(arrays.y_train, h.validation_fraction, h.split_seed)
    if order.kind is not TrialKind.FINAL:
        return chosen, held
    if not _continues(order):
        return np.arange(len(arrays.y_train)), held[:0]
    return final_split(arrays.y_train, held, order.holdout, h.split_seed)
