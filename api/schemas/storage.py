"""Garbage in storage, and its collection."""

from pydantic import Field

from api.schemas.bodies import In, Out


class AmountOut(Out):
    """A number of files and their size."""

    blobs: int = Field(description="number of files")
    bytes: int = Field(description="their size in bytes")


class GarbageOut(Out):
    """What has no use in storage any more."""

    superseded: AmountOut = Field(description="weights of ended searches beyond the best trials")
    orphans: AmountOut = Field(description="files to which nothing refers")
    discarded: AmountOut = Field(
        description="files that are given up already, and removed after their grace time"
    )


class CollectionIn(In):
    """How to collect garbage."""

    dry_run: bool = Field(default=False, description="whether only to say what would be given up")
