"""Workers, and the memory of their devices."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKey, Uuid, func, text
from sqlalchemy.orm import Mapped, mapped_column

from api.models.table import Base


class Worker(Base):
    """A worker that has requested a trial."""

    __tablename__ = "workers"

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    boot_id: Mapped[UUID]
    name: Mapped[str]
    device: Mapped[str]
    threads: Mapped[int]
    #: Bytes that a training may use there, in whole quarters of a GiB; 0: unknown.
    memory: Mapped[int] = mapped_column(BigInteger, server_default=text("0"), default=0)
    draining: Mapped[bool] = mapped_column(server_default=text("false"), default=False)
    #: The key that it uses: no other open key may send its id.
    key_id: Mapped[UUID | None] = mapped_column(ForeignKey("keys.id", ondelete="SET NULL"))
    problem: Mapped[str] = mapped_column(default="", server_default="")  # why it rests
    rests: Mapped[int] = mapped_column(default=0, server_default="0")  # in a row
    resting_until: Mapped[datetime | None]  # it gets no trials until then
    seen_at: Mapped[datetime] = mapped_column(server_default=func.now())


class MemoryLimit(Base):
    """What trainings have shown of the memory of a kind of device, in estimates of their memory."""

    __tablename__ = "memory_limits"

    device: Mapped[str] = mapped_column(primary_key=True)
    memory: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    exceeded: Mapped[int | None] = mapped_column(BigInteger)  # the least that ran out of memory
    exceeded_at: Mapped[datetime] = mapped_column(server_default=func.now())  # the last time
    fitted: Mapped[int | None] = mapped_column(BigInteger)  # the most that was trained meanwhile
