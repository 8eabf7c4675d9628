"""Imports that go on after their request has been answered."""

from typing import Any
from uuid import UUID

from pydantic import Field

from api.operation_states import OperationKind, OperationStatus
from api.schemas.bodies import Out
from api.schemas.fields import CreatedAt, EndedAt, NextCursor


class OperationOut(Out):
    """An import that goes on after its request has been answered."""

    id: UUID = Field(description="id of the operation")
    kind: OperationKind = Field(description="what it does")
    name: str = Field(description="name of the data set")
    status: OperationStatus = Field(description="status of the operation")
    step: str = Field(description="what it does now, in words; or empty")
    dataset_id: UUID | None = Field(
        description="the data set, once it is stored; null: there is none, or it was deleted since"
    )
    problem: dict[str, Any] | None = Field(
        description="why it failed: the problem document (RFC 9457) that the request would have "
        "been answered with, or who has cancelled it; null: it has done neither"
    )
    created_at: CreatedAt
    ended_at: EndedAt


class OperationPage(Out):
    """One page of a list of operations."""

    items: list[OperationOut] = Field(description="operations of this page")
    next_cursor: NextCursor
