"""Train orders over Celery: the names and settings that sender and workers share.

An order is a notification, not the work: it says that a trial is waiting, and the lease in the
database decides who trains it. A lost, repeated or forged order costs only time, so orders are
acknowledged early, never retried by the publisher, and have no result.
"""

from collections.abc import Mapping
from typing import Any

#: The queue that every worker consumes.
QUEUE = "trials"

#: The Celery job; its arguments are the trial's id (str) and its attempt (int).
TRAIN_JOB = "train"

#: Prefix of every key in the broker, so that other applications can share the server.
KEY_PREFIX = "netmorph:"

_SCHEMES: Mapping[str, str] = {"unix": "redis+socket", "valkey": "redis", "valkeys": "rediss"}


def celery_config(broker_url: str) -> dict[str, Any]:
    """The Celery settings of both ends, for a Redis or Valkey server at `broker_url`."""
    return {
        "broker_url": _kombu_url(broker_url),
        "task_default_queue": QUEUE,
        "accept_content": ["json"],
        "task_serializer": "json",
        "result_backend": None,
        "task_ignore_result": True,
        "task_acks_late": False,
        "task_publish_retry": False,
        "worker_prefetch_multiplier": 1,
        "worker_enable_remote_control": False,
        "worker_send_task_events": False,
        "worker_hijack_root_logger": False,
        "broker_connection_timeout": 2,  # seconds
        "broker_connection_retry_on_startup": True,
        "broker_connection_max_retries": None,  # retry without limit
        "broker_transport_options": {
            "global_keyprefix": KEY_PREFIX,
            "socket_timeout": 5,  # seconds, as all below; a frozen broker must not hang a sender
            "socket_connect_timeout": 2,
            "socket_keepalive": True,
            "health_check_interval": 15,
            "ack_emulation": False,  # an order that is lost is sent again by the reconciler
        },
    }


def _kombu_url(url: str) -> str:
    """The address in kombu's spelling, which has other schemes for `unix:` and `valkey:`."""
    scheme, separator, rest = url.partition("://")
    return f"{_SCHEMES.get(scheme, scheme)}{separator}{rest}"
