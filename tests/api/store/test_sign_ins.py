"""Sessions on the dashboard: they end with their time, their key and the sign-out."""

from datetime import timedelta
from typing import Any

from sqlalchemy import func, select

from api.models.keys import BrowserSession
from api.store import keys, sign_ins


def count(world: Any) -> int:
    with world.sessions.begin() as session:
        return session.scalar(select(func.count()).select_from(BrowserSession)) or 0


def test_a_token_stands_for_its_key_until_it_is_closed(world: Any) -> None:
    caller = world.caller()
    with world.sessions.begin() as session:
        token = sign_ins.open(session, caller)
        other = sign_ins.open(session, caller)

        assert token != other
        assert sign_ins.resolve(session, token) == caller
        sign_ins.close(session, token)
        assert sign_ins.resolve(session, token) is None
        assert sign_ins.resolve(session, other) == caller


def test_a_session_ends_with_its_time(world: Any) -> None:
    with world.sessions.begin() as session:
        token = sign_ins.open(session, world.caller(), timedelta(seconds=-1))
        assert sign_ins.resolve(session, token) is None


def test_a_session_ends_with_its_key(world: Any) -> None:
    caller = world.caller()
    with world.sessions.begin() as session:
        token = sign_ins.open(session, caller)
        keys.revoke(session, caller.key_id)
        assert sign_ins.resolve(session, token) is None


def test_only_expired_sessions_are_swept(world: Any) -> None:
    caller = world.caller()
    with world.sessions.begin() as session:
        sign_ins.open(session, caller, timedelta(seconds=-1))
        token = sign_ins.open(session, caller)
        sign_ins.sweep(session)
        assert sign_ins.resolve(session, token) == caller
    assert count(world) == 1


def test_the_token_itself_is_kept_nowhere(world: Any) -> None:
    with world.sessions.begin() as session:
        token = sign_ins.open(session, world.caller())
        (row,) = session.scalars(select(BrowserSession))
        assert token.encode() not in row.token_hash
        assert len(row.token_hash) == 32
