"""The messages by which a worker requests a trial and gives it back."""

from uuid import UUID

from pydantic import Field

from core.protocol.contracts.message import Message


class LeaseRequest(Message):
    """A worker asks for a trial."""

    worker_id: UUID = Field(description="id of the worker")
    boot_id: UUID = Field(
        description="new at each start: leases of older boots are released at once"
    )
    name: str = Field(max_length=128, description="name of the worker")
    device: str = Field(max_length=128, description="`cpu`, or the name of the GPU")
    threads: int = Field(default=1, description="threads that a training uses")
    exports: bool = Field(
        default=False,
        description="whether it knows trials of the kind `export`; older releases do not",
    )
    memory: int = Field(
        default=0, ge=0, description="bytes that a training may use there; 0: unknown"
    )


class HandBack(Message):
    """A worker that shuts down gives its trial back: the next one continues the same attempt."""

    attempt: int = Field(description="number of the attempt")
    token: UUID = Field(description="token of the lease")
