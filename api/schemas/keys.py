"""API keys."""

from datetime import UTC, datetime
from uuid import UUID

from pydantic import AwareDatetime, Field

from api.roles import Role
from api.schemas.bodies import In, Out
from api.schemas.fields import CreatedAt
from api.schemas.texts import Name


class KeyIn(In):
    """The key to create."""

    name: Name = Field(description="name of the key")
    role: Role = Field(default=Role.USER, description="what the key may do")
    expires_at: AwareDatetime | None = Field(
        default=None,
        le=datetime(2200, 1, 1, tzinfo=UTC),
        description="time, with its zone, from which the key opens nothing; null: never",
    )
    worker: str | None = Field(
        default=None,
        min_length=1,
        max_length=128,
        description="of a worker's key: the only worker name that may use it; null: any",
    )


class RotateIn(In):
    """How to rotate a key."""

    grace_seconds: float = Field(
        default=0,
        ge=0,
        le=7 * 86_400,
        strict=True,
        description="seconds for which the old secret still opens",
    )


class KeyOut(Out):
    """An API key without its secret."""

    id: UUID = Field(description="id of the key")
    name: str = Field(description="its name")
    role: Role = Field(description="what it may do")
    prefix: str = Field(description="its first characters, to recognise it")
    created_at: CreatedAt
    last_used_at: datetime | None = Field(description="when it was last used; null: never")
    revoked_at: datetime | None = Field(description="when it was revoked; null: it was not")
    expires_at: datetime | None = Field(description="from when it opens nothing; null: never")
    worker: str | None = Field(description="the only worker name that may use it; null: any")


class KeyCreated(KeyOut):
    """An API key with its secret."""

    key: str = Field(description="the secret, `netmorph_…`; shown only once")


class KeyPage(Out):
    """All API keys."""

    items: list[KeyOut] = Field(description="keys")
