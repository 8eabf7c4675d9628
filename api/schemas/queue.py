"""The queue in numbers."""

from pydantic import Field

from api.schemas.bodies import Out


class QueueStatsOut(Out):
    """The queue in numbers: trials of the caller, of everybody for an admin."""

    waiting: int = Field(description="trials that a worker could take now")
    running: int = Field(description="trials that workers train")
    workers_needed: int = Field(description="both together, as one worker trains one trial")
    oldest_wait: float = Field(
        description="seconds that the first waiting trial has been ready for a worker; 0: none "
        "waits"
    )
    live_workers: dict[str, int] = Field(
        description="number of workers of all users, heard of within the last minute, by device"
    )
