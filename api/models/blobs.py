"""Blobs of the storage that no search needs any more, or that cannot be read."""

from datetime import datetime

from sqlalchemy import BigInteger, func
from sqlalchemy.orm import Mapped, mapped_column

from api.models.table import Base


class Discarded(Base):
    """A blob whose search was deleted; removed from storage unless something still refers to it."""

    __tablename__ = "discarded"

    blob_key: Mapped[str] = mapped_column(primary_key=True)
    blob_bytes: Mapped[int] = mapped_column(BigInteger)
    discarded_at: Mapped[datetime] = mapped_column(server_default=func.now())


class Damaged(Base):
    """A blob that is missing from storage or does not match its hash: no trial starts from it."""

    __tablename__ = "damaged"

    blob_key: Mapped[str] = mapped_column(primary_key=True)
    reason: Mapped[str]
    found_at: Mapped[datetime] = mapped_column(server_default=func.now())
