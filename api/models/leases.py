"""Leases: the right of a worker to report a trial, and that of a controller to decide."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Integer, func
from sqlalchemy.orm import Mapped, mapped_column

from api.models.table import Base


class Lease(Base):
    """A worker's right to a running trial; `token` fences every report of it."""

    __tablename__ = "leases"
    # Heartbeats change no indexed column, so that their new row versions stay on the page.
    __table_args__ = ({"postgresql_with": {"fillfactor": "50"}},)

    trial_id: Mapped[UUID] = mapped_column(
        ForeignKey("trials.id", ondelete="CASCADE"), primary_key=True
    )
    attempt: Mapped[int]
    token: Mapped[UUID]
    worker_id: Mapped[UUID] = mapped_column(ForeignKey("workers.id"), index=True)
    boot_id: Mapped[UUID]
    leased_at: Mapped[datetime] = mapped_column(server_default=func.now())
    heard_at: Mapped[datetime] = mapped_column(server_default=func.now())
    expires_at: Mapped[datetime]
    stop_at: Mapped[datetime | None]  # from then on the worker is told to stop
    step: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")
    epochs: Mapped[int] = mapped_column(Integer, default=0, server_default="0")  # last one reported
    resumed_epoch: Mapped[int] = mapped_column(default=0, server_default="0")  # it continues after
    stored_epoch: Mapped[int] = mapped_column(default=0, server_default="0")  # of its checkpoint
    silent_at: Mapped[datetime | None]  # the controller noticed its silence; None: it is heard


class Leader(Base):
    """The controller that decides at present: one row, valid until it expires."""

    __tablename__ = "leader"
    __table_args__ = (CheckConstraint("id = 1", name="one_row"),)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False, default=1)
    holder: Mapped[UUID]
    expires_at: Mapped[datetime]
    since: Mapped[datetime] = mapped_column(server_default=func.now())  # without a gap
