"""API keys: kept as hashes, revoked permanently, replaced by the settings."""

import hashlib
from typing import Any

import pytest
from sqlalchemy import text

from api.models import Key
from api.roles import Role
from api.store import keys
from api.store.errors import NotFound


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


def test_a_key_of_the_settings_replaces_the_one_before(world: Any) -> None:
    with world.sessions.begin() as session:
        for raw in ("first secret", "second secret"):
            keys.bootstrap(session, keys.FIRST_ADMIN, "first admin", Role.ADMIN, raw)
            keys.revoke(session, keys.FIRST_ADMIN)
        keys.bootstrap(session, keys.FIRST_ADMIN, "first admin", Role.ADMIN, "second secret")

        assert keys.authenticate(session, "first secret") is None
        caller = keys.authenticate(session, "second secret")
        assert caller is not None
        assert (caller.key_id, caller.is_admin) == (keys.FIRST_ADMIN, True)
        assert [key.id for key in keys.listing(session)] == [keys.FIRST_ADMIN]
