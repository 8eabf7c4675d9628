"""API keys: kept as hashes, revoked permanently, replaced by the settings."""

import hashlib
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select, text

from api.models.keys import Key
from api.roles import Role
from api.store import keys, sign_ins
from api.store.errors import Conflict, NotFound
from core.errors import InvalidInput


def test_a_key_opens_for_its_owner_and_is_kept_as_a_hash(world: Any) -> None:
    with world.sessions.begin() as session:
        made = keys.create(session, "Ada", Role.USER)
        caller = keys.authenticate(session, made.key)
        row = session.get_one(Key, made.id)

    assert caller == keys.Caller(made.id, "Ada", Role.USER)
    assert row.hash == hashlib.sha256(made.key.encode()).digest()
    assert made.key.startswith(made.prefix)
    assert len(made.prefix) == 13


def test_a_revoked_or_unknown_key_opens_nothing(world: Any) -> None:
    with world.sessions.begin() as session:
        made = keys.create(session, "Ada", Role.USER)
        revoked = keys.revoke(session, made.id)
        again = keys.revoke(session, made.id)

        assert keys.authenticate(session, made.key) is None
        assert keys.authenticate(session, "netmorph_unknown") is None
    assert revoked.revoked_at == again.revoked_at is not None


def test_the_only_key_of_an_admin_is_rotated_and_not_revoked(world: Any) -> None:
    """Else nobody could create a key; a key that has expired is no other one."""
    with world.sessions.begin() as session:
        keys.create(session, "Ada", Role.USER)
        only = keys.create(session, "root", Role.ADMIN)
        expired = keys.create(session, "of last year", Role.ADMIN)
    world.set(Key, expired.id, expires_at=text("now() - interval '1 day'"))
    with world.sessions.begin() as session:
        with pytest.raises(Conflict, match=r"only key of an admin.*netmorph key rotate"):
            keys.revoke(session, only.id)
        keys.revoke(session, expired.id)
        assert keys.rotate(session, only.id).revoked_at is None
        keys.create(session, "another", Role.ADMIN)
        assert keys.revoke(session, only.id).revoked_at is not None


def test_only_a_key_that_exists_can_be_revoked(world: Any) -> None:
    with world.sessions.begin() as session, pytest.raises(NotFound, match="there is no key"):
        keys.revoke(session, keys.FIRST_ADMIN)


def test_the_use_of_a_key_is_noted_once_a_minute(world: Any) -> None:
    """Not at every request, which would write a row each time."""
    with world.sessions.begin() as session:
        made = keys.create(session, "Ada", Role.USER)

    def use() -> Any:
        with world.sessions.begin() as session:
            keys.authenticate(session, made.key)
            return session.get_one(Key, made.id).last_used_at

    first = use()
    assert first is not None
    assert use() == first
    world.set(Key, made.id, last_used_at=text("last_used_at - interval '61 seconds'"))
    assert use() >= first


def opens(world: Any, raw: str) -> bool:
    with world.sessions.begin() as session:
        return keys.authenticate(session, raw) is not None


def test_a_key_ends_with_its_time(world: Any) -> None:
    with world.sessions.begin() as session:
        now = session.scalars(select(func.now())).one()
        made = keys.create(session, "Ada", Role.USER, now + timedelta(hours=1))
        with pytest.raises(InvalidInput, match=r"expires_at: found .* expected a time after"):
            keys.create(session, "Ada", Role.USER, now)
    assert made.expires_at == now + timedelta(hours=1)
    assert opens(world, made.key)
    world.set(Key, made.id, expires_at=func.now())
    assert not opens(world, made.key)
    with world.sessions.begin() as session, pytest.raises(Conflict, match="revoked or expired"):
        keys.rotate(session, made.id)


@pytest.mark.parametrize("grace", [timedelta(), timedelta(hours=1)])
def test_a_rotated_key_is_the_same_key_with_another_secret(world: Any, grace: timedelta) -> None:
    with world.sessions.begin() as session:
        made = keys.create(session, "Ada", Role.USER)
        token = sign_ins.open(session, keys.Caller(made.id, "Ada", Role.USER))
        rotated = keys.rotate(session, made.id, grace)
        assert sign_ins.resolve(session, token) is None
        new = keys.authenticate(session, rotated.key)
    assert new == keys.Caller(made.id, "Ada", Role.USER)
    assert rotated.prefix == rotated.key[:13]
    assert opens(world, made.key) is (grace > timedelta())
    with world.sessions.begin() as session:
        keys.revoke(session, made.id)
    assert not opens(world, made.key)
    assert not opens(world, rotated.key)


def test_a_revoked_key_cannot_be_rotated(world: Any) -> None:
    caller = world.caller()
    with world.sessions.begin() as session:
        keys.revoke(session, caller.key_id)
        with pytest.raises(Conflict, match="create a new one"):
            keys.rotate(session, caller.key_id)


def start(world: Any, raw: str) -> bool:
    """What the start of a service with this key in its settings does."""
    with world.sessions.begin() as session:
        return keys.bootstrap(session, keys.FIRST_ADMIN, "first admin", Role.ADMIN, raw)


def test_a_key_of_the_settings_replaces_the_one_before(world: Any) -> None:
    assert start(world, "first secret")
    assert start(world, "second secret")
    assert start(world, "second secret")

    assert not opens(world, "first secret")
    with world.sessions.begin() as session:
        caller = keys.authenticate(session, "second secret")
        assert caller is not None
        assert (caller.key_id, caller.is_admin) == (keys.FIRST_ADMIN, True)
        assert [key.id for key in keys.listing(session)] == [keys.FIRST_ADMIN]
    assert start(world, "first secret")  # nobody revoked it
    assert opens(world, "first secret")


def test_a_revoked_key_of_the_settings_stays_revoked(world: Any) -> None:
    """Through restarts, and also after another key was set; the other one opens."""
    start(world, "first secret")
    with world.sessions.begin() as session:
        keys.create(session, "another", Role.ADMIN)
        keys.revoke(session, keys.FIRST_ADMIN)
    assert not start(world, "first secret")
    assert not opens(world, "first secret")
    assert start(world, "second secret")
    assert opens(world, "second secret")
    assert not start(world, "first secret")
    assert not opens(world, "first secret")
    assert opens(world, "second secret")


def test_a_rotated_key_of_the_settings_does_not_come_back(world: Any) -> None:
    start(world, "first secret")
    with world.sessions.begin() as session:
        rotated = keys.rotate(session, keys.FIRST_ADMIN)
    assert not start(world, "first secret")
    assert not opens(world, "first secret")
    assert opens(world, rotated.key)


def test_the_settings_cannot_name_the_key_of_another(world: Any) -> None:
    with world.sessions.begin() as session:
        made = keys.create(session, "Ada", Role.USER)
    with pytest.raises(InvalidInput, match="the first admin key is that of 'Ada', too"):
        start(world, made.key)


@pytest.mark.parametrize(("raw", "prefix"), [("x" * 39, ""), ("x" * 40, "x" * 13)])
def test_of_a_short_key_nothing_is_shown(world: Any, raw: str, prefix: str) -> None:
    start(world, raw)
    with world.sessions.begin() as session:
        assert [key.prefix for key in keys.listing(session)] == [prefix]
