"""Checkpoints of jobs in storage: the state of a training, and which training it is of."""

import hashlib
import json
import sys
from dataclasses import dataclass

from core.errors import BlobError, CorruptBlob
from core.protocol.contracts.checkpoints import Checkpoint
from core.protocol.storage import Storage
from worker.trainer.networks.compute import Compute, hardware
from worker.trainer.train_job import TrainJob
from worker.trainer.training.checkpointer import Snapshot
from worker.trainer.training.state import State, pack, unpack

_FORMAT = 1  # of a state: to be raised when a state of the code before cannot be restored
#: Hyperparameters that another attempt may get changed, as less time or fewer epochs are left.
_CHANGING = {"epochs", "max_seconds", "patience", "rung", "least_at_rung"}


@dataclass(frozen=True, slots=True)
class BegunTraining:
    """The part of a training that earlier attempts have done."""

    state: State | None = None  # None: nothing
    compute: Compute | None = None  # how it was computed; None: on other hardware than here


def read(job: TrainJob, storage: Storage, here: Compute) -> BegunTraining:
    """The training that the job continues, if any.

    `here` is this process's device, with all its threads.

    A missing or damaged checkpoint costs the training before it, not the trial.
    """
    if job.checkpoint is None:
        return BegunTraining()
    try:
        return _begun(job, unpack(storage.get(job.checkpoint)), here)
    except BlobError as error:
        message = f"the training starts again, as its checkpoint cannot be used: {error}"
        print(message, file=sys.stderr, flush=True)
        return BegunTraining()


def write(job: TrainJob, compute: Compute, snapshot: Snapshot, storage: Storage) -> Checkpoint:
    """Store a snapshot of the job's training."""
    state = {
        "training": snapshot.state,
        "identity": _identity(job),
        "hardware": hardware(compute.device),
        "compute": compute.facts(),
    }
    blob = storage.put("checkpoints", pack(state), "safetensors")
    return Checkpoint(epoch=snapshot.epoch, seconds=snapshot.seconds, blob=blob)


def _begun(job: TrainJob, stored: State, here: Compute) -> BegunTraining:
    if stored.get("identity") != _identity(job):
        raise CorruptBlob("it is of another training, or of another release")
    compute = Compute.of_facts(here.device, stored["compute"])
    is_possible = stored["hardware"] == hardware(here.device) and compute.threads <= here.threads
    return BegunTraining(stored["training"], compute if is_possible else None)


def _identity(job: TrainJob) -> str:
    """A digest of all that two attempts must have in common to continue one training."""
    kept = job.hyperparameters.model_dump(mode="json", exclude=_CHANGING)
    fields = [_FORMAT, str(job.trial_id), job.seed, job.architecture.fingerprint, kept]
    return hashlib.sha256(json.dumps(fields, sort_keys=True).encode()).hexdigest()
