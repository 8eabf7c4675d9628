"""The examples of a job: read from storage, split, and on the device."""

import hashlib
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.data import datasets
from core.data.datasets import Arrays
from core.data.scratch import OnBlock, nothing
from core.data.statistics import constant_in_words
from core.errors import BlobError, MissingBlob
from core.protocol.contracts.blobs import BlobRef
from core.protocol.storage import Storage
from worker.tasks import LOSSES, AbstractLoss
from worker.trainer.data.examples import Examples
from worker.trainer.data.memory import fits
from worker.trainer.data.normalisation import TOKENS, Normalisation
from worker.trainer.data.target_scale import TargetScale
from worker.trainer.data.trained_inputs import TrainedInputs
from worker.trainer.networks.compute import Compute
from worker.trainer.train_job import TrainJob

logger = logging.getLogger(__name__)

Indices = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class JobData:
    """The examples of a job."""

    training: Examples
    validation: Examples | None  # never trained on; None in a final fit without a parent
    test: Examples
    #: Targets of training and validation examples as they are learned: (n,) or (n, targets).
    y_train: NDArray[Any]
    targets: TargetScale | None  # of regression
    loss: AbstractLoss
    normalisation: Normalisation
    inputs: TrainedInputs | None  # of what is exported


class DataReader:
    """Reads the examples of jobs and keeps those of the last one.

    The trials of a search train on the same examples in the same form; preparing a large data set
    takes longer than a hundred steps of a small network. The statistics of the last examples are
    kept by themselves: a reading that was stopped, and a final fit, do not compute them again.
    """

    def __init__(self) -> None:
        self._key: tuple[object, ...] = ()
        self._data: JobData | None = None
        self._statistics: tuple[tuple[str, str], Normalisation] | None = None

    def read(
        self,
        job: TrainJob,
        storage: Storage,
        cache: Path,
        compute: Compute,
        on_block: OnBlock = nothing,
    ) -> JobData:
        """The data set of the job, split and on the device.

        `on_block` is called between two pieces of the file; what it raises ends the reading, and
        the next one does not repeat what was checked and computed.
        """
        key = _cache_key(job, compute)
        if self._data is None or key != self._key:
            self._data = None  # memory may not suffice for two large data sets
            arrays = _arrays(job, storage, cache, on_block)
            self._data, self._key = self._prepared(job, arrays, compute, on_block), key
        return self._data

    def _normalisation(
        self, job: TrainJob, x: NDArray[Any], indices: Indices, on_block: OnBlock
    ) -> Normalisation:
        """The normalisation by the statistics of these examples of the job's data set."""
        key = (job.dataset.key, hashlib.sha256(indices.tobytes()).hexdigest())
        if self._statistics is None or self._statistics[0] != key:
            self._statistics = key, Normalisation.of(x, indices, on_block)
        return self._statistics[1]

    def _prepared(
        self, job: TrainJob, arrays: Arrays, compute: Compute, on_block: OnBlock
    ) -> JobData:
        """The examples of the job, split and on the device."""
        h = job.hyperparameters
        trained, validation = arrays.rule.validation(
            arrays.y_train, h.validation_fraction, h.split_seed
        )
        chosen, held_out = _split(job, arrays, trained, validation)
        # Inherited weights mean the same only under the statistics that they were trained with.
        described = trained if job.continues_parent else chosen
        is_text = job.dataset_spec.text is not None
        normalisation = (
            TOKENS if is_text else self._normalisation(job, arrays.x_train, described, on_block)
        )
        _warn_of_constant(job, normalisation)

        stay_in_file = not fits(arrays.x_train.nbytes + arrays.x_test.nbytes, compute.device)

        def examples(x: NDArray[Any], y: NDArray[Any], **options: Any) -> Examples:
            options = {"channels_last": compute.channels_last} | options
            return Examples(
                x, y, normalisation, compute.device, stay_in_file=stay_in_file, **options
            )

        names = arrays.target_names
        targets = TargetScale.of(arrays.y_train, described, names) if names else None
        x, y, y_test = arrays.x_train, arrays.y_train, arrays.y_test
        if targets is not None:
            y, y_test = targets.standardised(y), targets.standardised(y_test)
        y, y_test = (LOSSES[job.task].prepared(one) for one in (y, y_test))
        augmented = {"augmentation": h.augmentation, "erasing": h.erasing}
        return JobData(
            training=examples(x, y, indices=chosen, **augmented),
            validation=examples(x, y, indices=held_out) if len(held_out) else None,
            test=examples(arrays.x_test, y_test, channels_last=False),  # as an export predicts
            y_train=y,
            targets=targets,
            loss=_loss(job, arrays, targets),
            normalisation=normalisation,
            inputs=TrainedInputs.of(x, described, normalisation, targets, arrays.pieces, on_block)
            if job.makes_export
            else None,
        )


def _cache_key(job: TrainJob, compute: Compute) -> tuple[object, ...]:
    """Everything that the examples depend on."""
    h = job.hyperparameters
    final = (job.is_final, job.continues_parent, job.holdout)
    split = (h.validation_fraction, h.split_seed, *final, job.is_export)
    augmented = (h.augmentation, h.erasing)
    measured = (job.task, job.metric, h.class_weights)
    return (job.dataset.key, *measured, *split, *augmented, compute.device, compute.channels_last)


class UnreadableDataset(BlobError):
    """The file of the data set is missing or damaged: report it, and wait for its repair."""

    def __init__(self, blob: BlobRef, message: str) -> None:
        super().__init__(message)
        self.blob = blob


def _arrays(job: TrainJob, storage: Storage, cache: Path, on_block: OnBlock) -> Arrays:
    """The arrays of the job's data set; raises UnreadableDataset where storage has lost them."""
    try:
        path = storage.local_path(job.dataset, cache, on_block)
        if not path.exists():  # it was there when it was checked, for an earlier trial
            raise MissingBlob(f"nothing is stored under {job.dataset.key}")
    except BlobError as error:
        message = f"the data set {job.dataset_name} cannot be read: {error}"
        raise UnreadableDataset(job.dataset, message) from error
    return datasets.decode(path, on_block)


def _loss(job: TrainJob, arrays: Arrays, targets: TargetScale | None) -> AbstractLoss:
    """The loss and metric of the job, which know the scale and the weights of its data."""
    kind, is_balanced = LOSSES[job.task], job.hyperparameters.class_weights is not None
    classes = len(arrays.class_names)
    weights = kind.balanced_weights(arrays.y_train, classes) if is_balanced else ()
    return kind(
        job.metric,
        names=targets.names if targets else (),
        scale=targets.std if targets else (),
        class_weights=weights,
    )


def _warn_of_constant(job: TrainJob, normalisation: Normalisation) -> None:
    """Name the channels that do not vary in the worker's log."""
    if words := constant_in_words(normalisation.constant, job.dataset_spec.input_shape):
        logger.warning("data set %s: %s", job.dataset_name, words)


def _split(
    job: TrainJob, arrays: Arrays, trained: Indices, validation: Indices
) -> tuple[Indices, Indices]:
    """The examples to train on, and those held out: in a final fit a part of the validation split.

    A final fit without a parent is compared with nothing, so it trains on all examples.
    """
    y = arrays.y_train
    if not job.is_final:
        return trained, validation
    if not job.continues_parent:
        return np.arange(len(y)), validation[:0]
    return arrays.rule.final(y, validation, job.holdout, job.hyperparameters.split_seed)
