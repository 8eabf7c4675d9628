"""Which elements of its queue a worker reads, and when; kombu has the methods that it overrides."""

import inspect
import json
from collections.abc import Callable, Iterator
from threading import Thread
from types import SimpleNamespace
from uuid import UUID, uuid4

import kombu
import pytest
import redis
from kombu.transport import TRANSPORT_ALIASES, virtual
from kombu.transport import redis as kombu_redis

from core.protocol.queue import KEY_PREFIX, QUEUE, TRAIN_JOB, celery_config
from worker.agent import notifications
from worker.agent.notifications import (
    RunnerLock,
    install,
    read_notification,
    write_notification,
)

TRIAL = UUID(int=7)
KOMBU = "kombu has changed: adapt worker/agent/notifications.py, which overrides its internals"


def changed(**fields: object) -> bytes:
    """A notification with other fields in its envelope."""
    return json.dumps(json.loads(write_notification(TRIAL, 1)) | fields).encode()


GARBAGE = {
    "no JSON": b"garbage",
    "a number": b"5",
    "a list": b"[]",
    "an empty envelope": b"{}",
    "no UTF-8": b"\xff\xfe\x00",
    "too deep": b"[" * 50_000,
    "too long": b'"' + b"x" * 70_000 + b'"',
    "no base64": changed(body="%%%"),
    "no arguments": changed(body="W10="),
    "no headers": changed(headers={}),
    "another job": changed(headers={"task": "celery.backend_cleanup"}),
    "an attempt that is no number": write_notification(TRIAL, "1"),
    "an attempt that is a truth value": write_notification(TRIAL, True),
    "a trial that is no id": write_notification("trial", 1),
}


# --- elements of the queue --------------------------------------------------------------------


def test_a_notification_is_read_as_it_was_written():
    assert read_notification(write_notification(TRIAL, 3)) == (TRIAL, 3)


@pytest.mark.parametrize("element", GARBAGE.values(), ids=GARBAGE)
def test_an_element_that_is_no_notification_is_read_as_none(element):
    assert read_notification(element) is None


# --- the lock ---------------------------------------------------------------------------------


def test_only_one_holder_has_the_lock_and_others_need_not_wait():
    lock = RunnerLock()
    assert lock.is_free()
    assert lock.acquire(wait=True)
    assert not lock.is_free()
    assert not lock.acquire(wait=False)
    lock.release()
    assert lock.is_free()


def test_a_thread_that_waits_gets_the_lock_when_it_is_released():
    lock, taken = RunnerLock(), []
    assert lock.acquire(wait=True)
    thread = Thread(target=lambda: taken.append(lock.acquire(wait=True)))
    thread.start()
    lock.release()
    thread.join(10)
    assert taken == [True]


def test_a_release_wakes_the_consumer():
    calls: list[Callable[[], None]] = []
    lock = RunnerLock()
    lock.wake_on_release(SimpleNamespace(call_soon=calls.append))
    lock.acquire(wait=True)
    assert calls == []
    lock.release()
    assert len(calls) == 1


# --- kombu ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("owner", "method", "parameters"),
    [
        (
            kombu_redis.PrefixedStrictRedis,
            "parse_response",
            ["self", "connection", "command_name", "options"],
        ),
        (kombu_redis.Channel, "_get_client", ["self"]),
        (virtual.QoS, "can_consume", ["self"]),
        (kombu_redis.Transport, "register_with_event_loop", ["self", "connection", "loop"]),
        (kombu.asynchronous.Hub, "call_soon", ["self", "callback", "args"]),
    ],
)
def test_kombu_has_the_methods_that_the_guards_override_or_call(owner, method, parameters):
    found = list(inspect.signature(getattr(owner, method)).parameters)
    assert found == parameters, f"{KOMBU}: {owner.__name__}.{method} takes {found}"


def test_kombu_has_the_transports_that_are_replaced():
    assert {"redis", "rediss"} <= set(TRANSPORT_ALIASES), KOMBU
    assert issubclass(notifications.Transport, kombu_redis.Transport)


@pytest.fixture
def lock(monkeypatch) -> RunnerLock:
    """The lock of guarded connections, installed for one test.

    A worker installs it before its first connection; here another test may have made kombu
    remember the ordinary transport.
    """
    monkeypatch.setattr(kombu.transport, "_transport_cache", {})
    for scheme in ("redis", "rediss"):
        monkeypatch.setitem(TRANSPORT_ALIASES, scheme, TRANSPORT_ALIASES[scheme])
    monkeypatch.setattr(notifications.Channel, "lock", RunnerLock())
    lock = RunnerLock()
    install(lock)
    return lock


@pytest.fixture
def queue(broker_url: str) -> Iterator[Callable[..., int]]:
    """Pushes elements to the queue; how many it holds."""
    client = redis.Redis.from_url(broker_url)

    def push(*elements: bytes) -> int:
        for element in elements:
            client.lpush(KEY_PREFIX + QUEUE, element)
        return int(client.llen(KEY_PREFIX + QUEUE))

    yield push
    client.close()


@pytest.fixture
def consume(broker_url: str, lock: RunnerLock) -> Iterator[Callable[[float], list[list[object]]]]:
    """Reads from the queue through kombu; the arguments of the messages that arrived."""
    config = celery_config(broker_url)
    options = config["broker_transport_options"]
    received: list[list[object]] = []
    with (
        kombu.Connection(config["broker_url"], transport_options=options) as connection,
        connection.Consumer(
            [kombu.Queue(QUEUE)],
            callbacks=[lambda body, message: received.append(body[0])],
            accept=["json"],
            no_ack=True,
        ) as consumer,
    ):
        channel = consumer.channel
        assert isinstance(channel, notifications.Channel), KOMBU
        assert isinstance(channel.client, notifications.GuardedRedis), KOMBU
        assert isinstance(channel.qos, notifications.QoS), KOMBU

        def drain(seconds: float) -> list[list[object]]:
            try:
                while True:
                    connection.drain_events(timeout=seconds)
            except TimeoutError:
                return received

        yield drain


def test_kombu_delivers_notifications_and_only_these(queue, consume, caplog):
    trials = [uuid4(), uuid4()]
    first, second = (write_notification(trial, 1) for trial in trials)
    queue(first, *GARBAGE.values(), second)
    received = consume(0.3)
    assert received == [[str(trial), 1] for trial in trials], KOMBU
    assert queue() == 0
    assert caplog.text.count("dropped from the queue, not a train notification") == len(GARBAGE)


def test_kombu_reads_nothing_while_the_lock_is_held(queue, consume, lock):
    lock.acquire(wait=True)
    queue(write_notification(TRIAL, 1))
    assert consume(0.3) == [], KOMBU
    assert queue() == 1
    lock.release()
    assert consume(0.3) == [[str(TRIAL), 1]], KOMBU


def test_an_envelope_is_replaced_by_one_of_our_own(queue, consume):
    """The sender's headers decide how Celery runs a job, so none of them is passed on."""
    element = json.loads(write_notification(TRIAL, 1))
    element["headers"] |= {"eta": [1], "task": TRAIN_JOB}
    element["content-type"] = "application/x-python-serialize"
    queue(json.dumps(element).encode())
    assert consume(0.3) == [[str(TRIAL), 1]], KOMBU
