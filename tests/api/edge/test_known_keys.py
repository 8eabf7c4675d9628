"""Keys that were looked up a moment ago."""

from uuid import uuid4

from api.edge import known_keys
from api.edge.known_keys import KnownKeys
from api.roles import Role
from api.store.keys import Caller
from tests.clock import Clock

WORKER = Caller(uuid4(), "a worker", Role.WORKER)


def test_a_key_is_known_for_some_seconds() -> None:
    clock = Clock()
    known = KnownKeys(clock)
    assert known.find("a key") is None
    known.add("a key", WORKER)
    clock.now += known_keys.SECONDS - 0.1
    assert known.find("a key") == WORKER
    assert known.find("another key") is None
    clock.now += 0.2
    assert known.find("a key") is None


def test_all_keys_are_forgotten_at_once() -> None:
    known = KnownKeys()
    known.add("a key", WORKER)
    known.forget()
    assert known.find("a key") is None


def test_the_number_of_known_keys_has_a_bound() -> None:
    known = KnownKeys()
    for number in range(known_keys.MOST + 1):
        known.add(str(number), WORKER)
    assert known.find("0") is None
    assert known.find(str(known_keys.MOST)) == WORKER
