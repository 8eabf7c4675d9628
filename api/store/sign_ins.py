"""Sessions on the dashboard: a random token in a cookie stands for the key."""

import secrets
from datetime import timedelta

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from api.models.keys import BrowserSession, Key
from api.roles import Role
from api.store.keys import Caller, are_open, digest
from api.store.notifications import access_changed

LIFETIME = timedelta(days=7)


def open(session: Session, caller: Caller, lifetime: timedelta = LIFETIME) -> str:
    """Start a session and return its token; only its hash is kept."""
    token = secrets.token_urlsafe(32)
    session.add(
        BrowserSession(
            token_hash=digest(token),
            key_id=caller.key_id,
            expires_at=func.now() + lifetime,
        )
    )
    session.flush()
    return token


def resolve(session: Session, token: str) -> Caller | None:
    """The owner of a session; None where it or its key has expired, or its key was revoked."""
    statement = (
        select(Key.id, Key.name, Key.role)
        .join(BrowserSession, BrowserSession.key_id == Key.id)
        .where(
            BrowserSession.token_hash == digest(token),
            BrowserSession.expires_at > func.now(),
            are_open(),
        )
    )
    row = session.execute(statement).one_or_none()
    return None if row is None else Caller(row.id, row.name, Role(row.role))


def close(session: Session, token: str) -> None:
    """End the session of a token, if there is one."""
    session.execute(delete(BrowserSession).where(BrowserSession.token_hash == digest(token)))
    access_changed(session)


def sweep(session: Session) -> None:
    """Delete the sessions that have expired."""
    session.execute(delete(BrowserSession).where(BrowserSession.expires_at < func.now()))
