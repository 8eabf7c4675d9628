"""Cursors of lists: the sort key of a page's last row, in a form that a URL can carry."""

import base64
import binascii
import json
from datetime import datetime
from typing import Any, Protocol, TypeVar
from uuid import UUID

from core.errors import InvalidInput


class Placed(Protocol):
    """A row of a list by creation."""

    created_at: Any
    id: Any


R = TypeVar("R", bound=Placed)


def encode(*values: str | int) -> str:
    """The cursor behind a row with these sort values."""
    return base64.urlsafe_b64encode(json.dumps(values).encode()).decode().rstrip("=")


def decode(cursor: str, *kinds: type) -> list[Any]:
    """The values of a cursor, each of the expected kind; InvalidInput for any other text."""
    try:
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        values = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
    except (ValueError, binascii.Error, RecursionError):
        raise InvalidInput("the cursor is not one that a list gave") from None
    fits = isinstance(values, list) and len(values) == len(kinds)
    if not fits or any(type(v) is not k for v, k in zip(values, kinds, strict=True)):
        raise InvalidInput("the cursor is of another list")
    return list(values)


def encode_place(created_at: datetime, row_id: UUID) -> str:
    """The cursor behind a row of a list by creation."""
    return encode(created_at.isoformat(), str(row_id))


def decode_place(cursor: str) -> tuple[datetime, UUID]:
    """The creation and id of the row that a cursor stands behind."""
    created, row_id = decode(cursor, str, str)
    try:
        return datetime.fromisoformat(created), UUID(row_id)
    except ValueError:
        raise InvalidInput("the cursor is of another list") from None


def cut(rows: list[R], limit: int) -> tuple[list[R], str | None]:
    """The rows of a page, of one row more than it holds, and the cursor behind them."""
    page = rows[:limit]
    if len(rows) <= limit:
        return page, None
    return page, encode_place(page[-1].created_at, page[-1].id)
