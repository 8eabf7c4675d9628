"""Cursors of lists: the sort key of a page's last row, encoded for URLs."""

import base64
import binascii
import json
from datetime import datetime
from typing import Any, Protocol, TypeVar
from uuid import UUID

from core.errors import InvalidInput

OTHER_LIST = "this cursor belongs to another list: pass the value of next_cursor unchanged"


class Created(Protocol):
    """A row of a list that is sorted by creation."""

    created_at: Any
    id: Any


R = TypeVar("R", bound=Created)


def encode(*values: str | int) -> str:
    """The cursor of the row with these sort values."""
    return base64.urlsafe_b64encode(json.dumps(values).encode()).decode().rstrip("=")


def decode(cursor: str, *kinds: type) -> list[Any]:
    """The values of a cursor, each of the expected type; InvalidInput for any other text."""
    try:
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        values = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
    except (ValueError, binascii.Error, RecursionError):
        raise InvalidInput("invalid cursor: pass the value of next_cursor unchanged") from None
    fits = isinstance(values, list) and len(values) == len(kinds)
    if not fits or any(type(v) is not k for v, k in zip(values, kinds, strict=True)):
        raise InvalidInput(OTHER_LIST)
    return list(values)


def encode_creation(created_at: datetime, row_id: UUID) -> str:
    """The cursor of a row of a list that is sorted by creation."""
    return encode(created_at.isoformat(), str(row_id))


def decode_creation(cursor: str) -> tuple[datetime, UUID]:
    """The creation and id of the row of a cursor."""
    created, row_id = decode(cursor, str, str)
    try:
        return datetime.fromisoformat(created), UUID(row_id)
    except ValueError:
        raise InvalidInput(OTHER_LIST) from None


def cut(rows: list[R], limit: int) -> tuple[list[R], str | None]:
    """The rows of a page and the cursor of its last one, which is None on the last page.

    `rows` are the page's rows and, where there are more, the first of the next page.
    """
    page = rows[:limit]
    if len(rows) <= limit:
        return page, None
    return page, encode_creation(page[-1].created_at, page[-1].id)
