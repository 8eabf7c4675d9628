"""Keys, and the browser sessions that they open."""

from datetime import datetime
from uuid import UUID, uuid4

from sqlalchemy import ForeignKey, Uuid, func
from sqlalchemy.orm import Mapped, mapped_column

from api.models.table import Base, one_of
from api.roles import Role


class Key(Base):
    """An API key; only its hash is kept."""

    __tablename__ = "keys"
    __table_args__ = (one_of("role", Role),)

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True, default=uuid4)
    name: Mapped[str]
    role: Mapped[str]
    prefix: Mapped[str]
    hash: Mapped[bytes] = mapped_column(unique=True)  # SHA-256
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    last_used_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
    expires_at: Mapped[datetime | None]  # null: it opens until it is revoked
    worker: Mapped[str | None]  # the only worker name that may use it; null: any


class RetiredSecret(Base):
    """The hash of a secret that a key had before; it is never a key's secret again."""

    __tablename__ = "retired_secrets"

    hash: Mapped[bytes] = mapped_column(primary_key=True)  # SHA-256
    key_id: Mapped[UUID] = mapped_column(ForeignKey("keys.id", ondelete="CASCADE"))
    valid_until: Mapped[datetime | None]  # a rotated one opens until then; null: no longer


class BrowserSession(Base):
    """A person's session on the dashboard."""

    __tablename__ = "sessions"

    token_hash: Mapped[bytes] = mapped_column(primary_key=True)  # SHA-256
    key_id: Mapped[UUID] = mapped_column(ForeignKey("keys.id", ondelete="CASCADE"), index=True)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    expires_at: Mapped[datetime]
