"""A worker's log: plain or JSON lines on stderr, each with the search and trial it belongs to."""

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Literal

from core.protocol.contracts.train_orders import TrainOrder

_QUIET = ("httpx", "httpcore", "kombu", "celery.bootsteps", "celery.app.trace")


class _CurrentTrial:
    """The trial of this process; it has one at a time."""

    fields: dict[str, str] = {}  # noqa: RUF012 (replaced, never changed)


@contextmanager
def trial_context(order: TrainOrder) -> Iterator[None]:
    """Add the order's search and trial to each line logged meanwhile, by any thread."""
    _CurrentTrial.fields = {
        "search_id": str(order.search_id),
        "trial_id": str(order.trial_id),
        "number": str(order.number),
        "attempt": str(order.attempt),
    }
    try:
        yield
    finally:
        _CurrentTrial.fields = {}


def set_up(log_format: Literal["plain", "json"], level: str) -> None:
    """Send the log of the whole process to stderr in this format."""
    handler = logging.StreamHandler()
    handler.setFormatter(_JsonFormatter() if log_format == "json" else _PlainFormatter())
    logging.basicConfig(handlers=[handler], level=level, force=True)
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)


class _PlainFormatter(logging.Formatter):
    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(name)s: %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        fields = " ".join(f"{name}={value}" for name, value in _CurrentTrial.fields.items())
        return f"{super().format(record)} [{fields}]" if fields else super().format(record)


class _JsonFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        } | _CurrentTrial.fields
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line)
