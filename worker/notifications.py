"""The end of the order queue at a worker: what gets in, and when.

Orders are taken only while the worker is free, so that a busy one leaves them to the others.
Whoever reaches the broker can push anything. Celery's consumer dies of an element that is not an
envelope, and a whole fleet dies of one, worker after worker; so what is no train order is dropped
here, and what is one is put into an envelope of our own making.
"""

# mypy: disallow-untyped-calls=False
# (kombu has no types)

import functools
import json
import logging
from base64 import b64decode, b64encode
from threading import Lock
from typing import Any
from uuid import UUID, uuid4

from kombu.asynchronous import Hub
from kombu.transport import TRANSPORT_ALIASES, virtual
from kombu.transport import redis as kombu_redis

from core.protocol.queue import QUEUE, TRAIN_JOB

logger = logging.getLogger(__name__)

_LONGEST_ORDER = 64 * 1024  # bytes; a real one has less than 2,000


class RunnerLock:
    """The way to the worker's one place: one at a time, and no orders while it is taken."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._consumer: Hub | None = None

    def enter(self, *, wait: bool) -> bool:
        """Take the place; False where it is taken and the caller does not wait."""
        return self._lock.acquire(blocking=wait)

    def leave(self) -> None:
        """Free the place, and have the consumer look for orders at once (it sleeps up to 1 s)."""
        self._lock.release()
        if self._consumer is not None:
            self._consumer.call_soon(lambda: None)

    def open(self) -> bool:
        """Whether an order would find the place free."""
        return not self._lock.locked()

    def watched_by(self, consumer: Hub) -> None:
        """Make known the event loop that takes the orders."""
        self._consumer = consumer


def install(lock: RunnerLock) -> None:
    """Have Redis connections of this process read orders through the guard, at this lock."""
    Channel.lock = lock
    for scheme in ("redis", "rediss"):
        TRANSPORT_ALIASES[scheme] = f"{__name__}:Transport"


def read_order(element: bytes) -> tuple[UUID, int] | None:
    """The trial and attempt of a queue's element; None where it is no train order."""
    if len(element) > _LONGEST_ORDER:
        return None
    try:
        envelope = json.loads(element)
        arguments, _, _ = json.loads(b64decode(envelope["body"], validate=True))
        trial_id, attempt = arguments
        if envelope["headers"]["task"] != TRAIN_JOB or type(attempt) is not int:
            return None
        return UUID(trial_id), attempt
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return None


def write_order(trial_id: UUID, attempt: int) -> bytes:
    """A queue's element that orders the training of a trial (Celery's message protocol 2)."""
    job = str(uuid4())
    body = json.dumps([[str(trial_id), attempt], {}, {}])
    headers = {"lang": "py", "task": TRAIN_JOB, "id": job, "root_id": job} | dict.fromkeys(
        ("parent_id", "group", "eta", "expires")
    )
    properties = {
        "correlation_id": job,
        "delivery_mode": 2,
        "delivery_info": {"exchange": "", "routing_key": QUEUE},
        "delivery_tag": str(uuid4()),
        "body_encoding": "base64",
    }
    envelope = {
        "body": b64encode(body.encode()).decode(),
        "content-type": "application/json",
        "content-encoding": "utf-8",
        "headers": headers | {"retries": 0, "timelimit": [None, None]},
        "properties": properties,
    }
    return json.dumps(envelope).encode()


class GuardedRedis(kombu_redis.PrefixedStrictRedis):
    """A client whose BRPOP answers with clean train orders, or as if there were none."""

    def parse_response(self, connection: Any, command_name: str, **options: Any) -> Any:
        """The server's answer; an element that is no train order is dropped with a warning."""
        answer = super().parse_response(connection, command_name, **options)
        if command_name != "BRPOP" or not answer:
            return answer
        key, element = answer
        order = read_order(element)
        if order is None:
            logger.warning("dropped from the queue, no train order: %.100r", element)
            return None
        return key, write_order(*order)


class QoS(virtual.QoS):
    """Kombu's flow control, and none flows while the worker is busy."""

    def can_consume(self) -> bool:
        """Whether to ask the broker for an order."""
        return Channel.lock.open() and bool(super().can_consume())


class Channel(kombu_redis.Channel):
    """Kombu's channel over guarded clients."""

    lock = RunnerLock()

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.QoS = QoS  # type: ignore[assignment]

    def _get_client(self) -> Any:
        return functools.partial(GuardedRedis, global_keyprefix=self.global_keyprefix)


class Transport(kombu_redis.Transport):
    """Kombu's transport over guarded channels."""

    Channel = Channel

    def register_with_event_loop(self, connection: Any, loop: Hub) -> None:
        """Serve the connection from this loop."""
        super().register_with_event_loop(connection, loop)
        Channel.lock.watched_by(loop)
