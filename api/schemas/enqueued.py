"""Networks that wait in a search for their trials."""

from datetime import datetime
from uuid import UUID

from pydantic import Field

from api.schemas.bodies import Out


class EnqueuedOut(Out):
    """A network that becomes a trial of a search, or is one."""

    search_id: UUID = Field(description="id of the search")
    network_id: UUID = Field(description="id of the network")
    trial_id: UUID | None = Field(
        description="id of its trial; null: it waits until a trial may start"
    )
    number: int | None = Field(description="number of its trial; null while it waits")


class QueuedOut(Out):
    """A network that waits for its trial."""

    network_id: UUID = Field(description="id of the network")
    name: str = Field(description="its name")
    created_at: datetime = Field(description="when it was enqueued")


class QueuePage(Out):
    """The networks that wait for their trials."""

    items: list[QueuedOut] = Field(description="networks in the order of their trials")
