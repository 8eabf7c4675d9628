"""A worker's log: plain or JSON lines on stderr, each with the search and the trial it is about."""

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Literal

from core.protocol.contracts import TrainOrder

_QUIET = ("httpx", "httpcore", "kombu", "celery.bootsteps", "celery.app.trace")


class _Present:
    """What this process works on; it has one trial at a time."""

    fields: dict[str, str] = {}  # noqa: RUF012 (replaced, never changed)


@contextmanager
def about(order: TrainOrder) -> Iterator[None]:
    """Mark what is logged meanwhile, by any thread, with the order's search and trial."""
    _Present.fields = {
        "search": str(order.search_id),
        "trial": str(order.trial_id),
        "number": str(order.number),
        "attempt": str(order.attempt),
    }
    try:
        yield
    finally:
        _Present.fields = {}


def set_up(form: Literal["plain", "json"], level: str) -> None:
    """Send the log of the whole process to stderr in this form."""
    handler = logging.StreamHandler()
    handler.setFormatter(_Json() if form == "json" else _Plain())
    logging.basicConfig(handlers=[handler], level=level, force=True)
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)


class _Plain(logging.Formatter):
    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(name)s: %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        words = " ".join(f"{name}={value}" for name, value in _Present.fields.items())
        return f"{super().format(record)} [{words}]" if words else super().format(record)


class _Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        } | _Present.fields
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line)
