"""Checkpoints: the stored state of a training, and the report that it is stored."""

from uuid import UUID

from pydantic import Field, model_validator

from core.protocol.contracts.blobs import BlobRef
from core.protocol.contracts.fields import Seconds
from core.protocol.contracts.message import Message


class Checkpoint(Message):
    """Where the state of a training at the end of an epoch is stored."""

    epoch: int = Field(ge=1, description="epochs that it has been trained for")
    seconds: Seconds = Field(description="seconds of training so far")
    blob: BlobRef = Field(description="where the state is stored")

    @model_validator(mode="after")
    def _is_of_its_kind(self) -> "Checkpoint":
        if not self.blob.key.startswith("checkpoints/"):
            raise ValueError(f"expected a blob checkpoints/…, found {self.blob.key}")
        return self


class CheckpointReport(Checkpoint):
    """A worker reports that a checkpoint of its trial is stored; it replaces the one before."""

    attempt: int = Field(description="number of the attempt")
    token: UUID = Field(description="token of the lease")
