"""Orders reach a real broker, and a broker that does not take them harms nothing else."""

import base64
import json
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis

from api.controller.relay import Relay
from api.models.trials import Trial
from tests.waiting import wait_for

QUEUE = "netmorph:trials"


@pytest.fixture
def broker(broker_url: str) -> Iterator[redis.Redis]:
    client = redis.Redis.from_url(broker_url)
    yield client
    client.close()


@pytest.fixture
def relay(engine: Any) -> Iterator[Callable[[str], Relay]]:
    """Starts relays for addresses of brokers, and stops them."""
    started: list[Relay] = []

    def start(url: str) -> Relay:
        started.append(Relay(url, engine))
        started[-1].start()
        started[-1].wake()
        return started[-1]

    yield start
    for one in started:
        one.stop()


def orders(broker: redis.Redis) -> list[tuple[str, int]]:
    """The arguments of the queued orders, the oldest first."""
    bodies = [json.loads(message) for message in broker.lrange(QUEUE, 0, -1)]
    return [tuple(json.loads(base64.b64decode(body["body"]))[0]) for body in reversed(bodies)]


def test_each_waiting_trial_is_ordered_once(world, relay, broker_url, broker) -> None:
    search = world.search()
    trials = [world.trial(search) for _ in range(3)]
    sender = relay(broker_url)

    wait_for(lambda: broker.llen(QUEUE) == 3)
    sender.wake()

    assert orders(broker) == [(str(trial), 1) for trial in trials]
    assert [world.get(trial).rings for trial in trials] == [1, 1, 1]


def test_orders_that_were_lost_are_sent_again(world, relay, broker_url, broker) -> None:
    trial = world.trial(world.search())
    sender = relay(broker_url)
    wait_for(lambda: broker.llen(QUEUE) == 1)
    broker.flushdb()
    world.set(Trial, trial, ring_at=world.get(trial).created_at)

    sender.wake()

    wait_for(lambda: broker.llen(QUEUE) == 1)


def test_a_full_broker_is_tried_again_until_it_takes_the_order(
    world, relay, broker_url, broker
) -> None:
    broker.config_set("maxmemory", "1")
    try:
        trial = world.trial(world.search())
        relay(broker_url)
        wait_for(lambda: world.get(trial).rings >= 1)
    finally:
        broker.config_set("maxmemory", "0")

    wait_for(lambda: broker.llen(QUEUE) == 1)


@pytest.mark.parametrize("is_listening", [True, False], ids=["frozen", "down"])
def test_a_broker_that_does_not_answer_delays_the_relay_by_only_seconds(
    world, relay, is_listening, caplog
) -> None:
    """The relay itself gives up the order, and so it can be stopped."""
    trial = world.trial(world.search())
    with socket.socket() as frozen:
        frozen.bind(("127.0.0.1", 0))
        if is_listening:
            frozen.listen()
        sender = relay(f"redis://127.0.0.1:{frozen.getsockname()[1]}/0")
        wait_for(lambda: world.get(trial).rings >= 1)
        wait_for(lambda: "the broker takes no orders" in caplog.text)
        sender.stop()
        assert "relay" not in {thread.name for thread in threading.enumerate()}
