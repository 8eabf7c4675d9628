"""The end of the order queue at a worker: only well-formed train orders get past it.

Whoever reaches the broker can push anything. Celery's consumer dies of an element that is not an
envelope, and a whole fleet dies of one, worker after worker; so what is no train order is dropped
here, and what is one is put into an envelope of our own making.
"""

import functools
import json
import logging
from base64 import b64decode, b64encode
from typing import Any
from uuid import UUID, uuid4

from kombu.transport import TRANSPORT_ALIASES
from kombu.transport import redis as kombu_redis

from core.orders import QUEUE, TRAIN_JOB

logger = logging.getLogger(__name__)

_LONGEST_ORDER = 64 * 1024  # bytes; a real one has less than 2,000


def install() -> None:
    """Have Redis connections of this process read orders through the guard."""
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
        answer = super().parse_response(connection, command_name, **options)  # type: ignore[no-untyped-call]
        if command_name != "BRPOP" or not answer:
            return answer
        key, element = answer
        order = read_order(element)
        if order is None:
            logger.warning("dropped from the queue, no train order: %.100r", element)
            return None
        return key, write_order(*order)


class Channel(kombu_redis.Channel):
    """Kombu's channel over guarded clients."""

    def _get_client(self) -> Any:
        return functools.partial(GuardedRedis, global_keyprefix=self.global_keyprefix)


class Transport(kombu_redis.Transport):
    """Kombu's transport over guarded channels."""

    Channel = Channel
