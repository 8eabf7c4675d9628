"""References to bytes in the shared storage."""

from pydantic import Field

from core.protocol.contracts.message import Message


class BlobRef(Message):
    """Bytes in the shared storage, named by their content."""

    key: str = Field(
        pattern=r"^[a-z]+/[0-9a-f]{64}\.[a-z]+$",
        description="name in the storage: `<kind>/<sha256>.<suffix>`",
    )
    sha256: str = Field(
        pattern=r"^[0-9a-f]{64}$", description="SHA-256 of the bytes, in hexadecimal"
    )
    bytes: int = Field(ge=0, description="size in bytes")
