"""What a job needs of the trainer process: storage, device, clock, and functions to report to."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch

from core.graph.cost import BACKWARD
from core.protocol.contracts.checkpoints import Checkpoint
from core.protocol.contracts.reports import EpochMetrics
from core.protocol.storage import Storage
from worker.trainer.job_data import DataReader
from worker.trainer.networks.compute import Compute, kind_of
from worker.trainer.train_job import TrainJob


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingEnvironment:
    """The storage, cache, device and threads of this process, and how it computes networks."""

    storage: Storage
    cache: Path
    device: torch.device
    threads: int
    computes: Mapping[int, Compute] = field(default_factory=dict)  # by `kind_of` network
    adapts_threads: bool = False  # to what else the machine does
    reader: DataReader = field(default_factory=DataReader)
    clock: Callable[[], float] = time.monotonic  # seconds, for the time limits of trainings
    wait: Callable[[float], None] = time.sleep  # seconds, between two tries to store a result

    @property
    def here(self) -> Compute:
        """The device with all threads, in float32."""
        return Compute(self.device, threads=self.threads)

    def compute(self, job: TrainJob) -> Compute:
        """How the job is computed; in float32 where its kind of network was not measured."""
        h = job.hyperparameters
        plain = Compute(self.device, channels_last=h.channels_last, threads=self.threads)
        measured = self.computes.get(kind_of(job.architecture), plain)
        return measured.for_steps_of(BACKWARD * job.architecture.flops * h.batch_size)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingCallbacks:
    """Called during a training: to report how far it is, and to ask whether to end it."""

    should_stop: Callable[[], bool]
    on_step: Callable[[int], None]
    on_epoch: Callable[[EpochMetrics], None]
    on_checkpoint: Callable[[Checkpoint], None] = lambda checkpoint: None
    on_read: Callable[[], None] = lambda: None  # between two pieces of the data
    should_hand_back: Callable[[], bool] = lambda: False  # the worker shuts down
