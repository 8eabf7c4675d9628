"""Workers, their last day and their trials."""

from datetime import datetime
from uuid import UUID

from pydantic import Field

from api.schemas.bodies import Out
from api.schemas.fields import NextCursor, Precision, StartedAt
from core.protocol.states import TrialKind, TrialStatus


class WorkerOut(Out):
    """A worker: its device, and what it does."""

    id: UUID = Field(description="id of the worker")
    name: str = Field(description="its name")
    device: str = Field(description="`cpu`, or the name of its GPU")
    threads: int = Field(description="threads that a training uses")
    memory: int = Field(description="bytes that a training may use there; 0: unknown")
    memory_exceeded: int | None = Field(
        description="least estimated bytes of a training that ran out of memory on a device of "
        "this kind; null: none did"
    )
    memory_fitted: int | None = Field(
        description="most estimated bytes of a training that succeeded there since one ran out; "
        "null: none did"
    )
    seen_at: datetime = Field(description="when it was last heard of")
    draining: bool = Field(description="whether it gets no more trials")
    problem: str = Field(
        description="why it last had to rest, such as storage that it cannot read; or empty"
    )
    resting_until: datetime | None = Field(
        description="until when it gets no trials; null: it does not rest"
    )
    trial_id: UUID | None = Field(
        description="id of the trial that it trains; null: none that the caller may read"
    )
    precision: Precision = Field(
        description='how it computed its latest training, such as "bf16 channels-last", among '
        "those that the caller may read; null: there is none"
    )
    samples_per_second: float | None = Field(
        description="median of the training examples per second of those among its latest 20 "
        "trials; null: there is none"
    )


class WorkerProblem(Out):
    """An attempt that failed at a worker."""

    trial_id: UUID = Field(description="id of the trial")
    number: int = Field(description="its number within the search")
    kind: TrialKind = Field(description="purpose of the trial")
    search_id: UUID = Field(description="id of its search")
    search_name: str = Field(description="name of its search")
    attempt: int = Field(description="number of the attempt")
    reason: str = Field(description="why it failed, or that the worker fell silent")
    tried_again: bool = Field(description="whether the trial was tried again")
    ended_at: datetime = Field(description="when the attempt ended")


class WorkerDay(Out):
    """The last day of a worker: the trials that the caller may read."""

    completed: int = Field(description="trials that it completed")
    failed: int = Field(
        description="attempts that failed, or of which nothing more was heard, tried again or not"
    )
    problems: list[WorkerProblem] = Field(description="the latest 10 of these attempts")


class WorkerDetail(WorkerOut):
    """A worker with what happened there within the last day."""

    last_day: WorkerDay = Field(description="its last day")


class WorkerTrial(Out):
    """A trial that ended at a worker."""

    trial_id: UUID = Field(description="id of the trial")
    number: int = Field(description="its number within the search")
    kind: TrialKind = Field(description="purpose of the trial")
    search_id: UUID = Field(description="id of its search")
    search_name: str = Field(description="name of its search")
    status: TrialStatus = Field(description="status of the trial")
    attempt: int = Field(description="number of its last attempt")
    reason: str = Field(description="why it ended as it did; may be empty")
    precision: Precision
    seconds: float | None = Field(description="seconds of training; null if unknown")
    samples_per_second: float | None = Field(description="training examples per second")
    started_at: StartedAt
    ended_at: datetime = Field(description="when it ended")


class WorkerTrialPage(Out):
    """One page of the trials of a worker."""

    items: list[WorkerTrial] = Field(description="trials of this page, the latest first")
    next_cursor: NextCursor


class WorkerPage(Out):
    """The workers of the last day."""

    items: list[WorkerOut] = Field(description="workers")
