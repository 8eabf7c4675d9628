"""Exports of single trials."""

from uuid import UUID

from pydantic import Field

from api.schemas.bodies import Out
from api.schemas.fields import CreatedAt, EndedAt, ExportBytes, MeasuresOut, StartedAt
from core.protocol.states import TrialStatus


class TrialExportOut(Out):
    """The export of one trial: how far it is, and what its network reaches on the test split."""

    trial_id: UUID = Field(description="id of the trial whose network it is")
    search_id: UUID = Field(description="id of its search")
    number: int = Field(description="number of that trial")
    status: TrialStatus = Field(
        description="status of the export: its file is there once it is completed"
    )
    attempt: int = Field(description="how many times it was begun")
    reason: str = Field(description="why it waits or has failed; empty otherwise")
    export_bytes: ExportBytes
    test_metric: float | None = Field(
        description="metric on the test split; null until it is tested"
    )
    test_loss: float | None = Field(description="loss on the test split")
    test_examples: int | None = Field(description="examples of the test split")
    test_measures: MeasuresOut = Field(default={})
    created_at: CreatedAt
    started_at: StartedAt
    ended_at: EndedAt


class TrialExportPage(Out):
    """The exports of trials of a search."""

    items: list[TrialExportOut] = Field(description="exports in the order of their orders")
