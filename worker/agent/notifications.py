"""The worker's end of the notification queue: kombu's Redis transport behind two guards.

A worker reads notifications only while it is free, so that a busy worker leaves them to the others.
And it reads nothing but train notifications: every client of the broker can push anything, and an
element that is no envelope ends Celery's consumer, in one worker after the other. So an element is
either a train notification, which gets a new envelope made here, or it is dropped.
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

_LONGEST_NOTIFICATION = 64 * 1024  # bytes; a real one has less than 2,000


class RunnerLock:
    """Held by the one thread that trains; while it is held no notification is read."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._consumer: Hub | None = None

    def acquire(self, *, wait: bool) -> bool:
        """Take the lock; False where it is held and the caller does not wait."""
        return self._lock.acquire(blocking=wait)

    def release(self) -> None:
        """Free the lock, and wake the consumer, which otherwise sleeps up to 1 s."""
        self._lock.release()
        if self._consumer is not None:
            self._consumer.call_soon(lambda: None)

    def is_free(self) -> bool:
        """Whether a notification could start a trial at once."""
        return not self._lock.locked()

    def wake_on_release(self, consumer: Hub) -> None:
        """Name the event loop to wake, the one that reads notifications."""
        self._consumer = consumer


def install(lock: RunnerLock) -> None:
    """Let the Redis connections of this process read through the guards, with this lock."""
    Channel.lock = lock
    for scheme in ("redis", "rediss"):
        TRANSPORT_ALIASES[scheme] = f"{__name__}:Transport"


def read_notification(element: bytes) -> tuple[UUID, int] | None:
    """The trial and attempt of a queue's element; None where it is no train notification."""
    if len(element) > _LONGEST_NOTIFICATION:
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


def write_notification(trial_id: UUID, attempt: int) -> bytes:
    """The queue's element that notifies workers of a trial (Celery's message protocol 2)."""
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
    """A client whose BRPOP returns train notifications, and None for anything else."""

    def parse_response(self, connection: Any, command_name: str, **options: Any) -> Any:
        """The server's answer; an element that is no train notification is dropped and logged."""
        answer = super().parse_response(connection, command_name, **options)
        if command_name != "BRPOP" or not answer:
            return answer
        key, element = answer
        notification = read_notification(element)
        if notification is None:
            logger.warning("dropped from the queue, not a train notification: %.100r", element)
            return None
        return key, write_notification(*notification)


class QoS(virtual.QoS):
    """Kombu's flow control; nothing is consumed while the worker is busy."""

    def can_consume(self) -> bool:
        """Whether to read from the queue."""
        return Channel.lock.is_free() and bool(super().can_consume())


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
        """Serve the connection from this event loop."""
        super().register_with_event_loop(connection, loop)
        Channel.lock.wake_on_release(loop)
