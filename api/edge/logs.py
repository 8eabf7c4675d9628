"""The API's log: plain or JSON lines on stderr, with the ids that messages have as `extra`."""

import json
import logging
from datetime import UTC, datetime
from typing import Any, Literal

from api.edge.observation import current_ids
from core.protocol import tracing

#: The objects that a message may be about.
FIELDS = ("search_id", "trial_id", "attempt", "request_id", "trace_id", "leases")

_QUIET = ("httpx", "httpcore", "kombu", "celery", "alembic.runtime.migration")


def set_up(form: Literal["plain", "json"], level: str) -> None:
    """Send the log of the whole process to stderr in this form."""
    handler = logging.StreamHandler()
    handler.setFormatter(_Json() if form == "json" else _Plain())
    logging.basicConfig(handlers=[handler], level=level, force=True)
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)


def _about(record: logging.LogRecord) -> dict[str, Any]:
    """What the message says it is about, else what the current request is about."""
    known = current_ids() | {"trace_id": tracing.trace_id() or ""}
    found = {name: getattr(record, name, None) or known.get(name) for name in FIELDS}
    return {name: str(value) for name, value in found.items() if value}


class _Plain(logging.Formatter):
    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(name)s: %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:
        words = " ".join(f"{name}={value}" for name, value in _about(record).items())
        line = super().formatMessage(record)
        return f"{line} [{words}]" if words else line


class _Json(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        } | _about(record)
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line)
