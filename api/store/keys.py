"""API keys. A key is shown once; only its SHA-256 is kept, which suffices as keys are random."""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, func, select, true, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import InstrumentedAttribute, Session

from api.models import Key
from api.roles import Role
from api.schemas import KeyCreated, KeyOut
from api.store.errors import NotFound

PREFIX = "netmorph_"
_SHOWN = 13  # characters by which a person recognises a key
_LONG = 40  # characters; of a shorter key, which a person made up, nothing is shown

#: The keys of the settings; their ids stay the same when the keys change.
FIRST_ADMIN = UUID(int=1)
FIRST_WORKER = UUID(int=2)


@dataclass(frozen=True, slots=True)
class Caller:
    """The owner of the key that a request came with."""

    key_id: UUID
    name: str
    role: Role

    @property
    def is_admin(self) -> bool:
        return self.role is Role.ADMIN

    def owns(self, owner_id: InstrumentedAttribute[Any]) -> ColumnElement[bool]:
        """An SQL condition: the row is the caller's own; an admin owns all rows."""
        return true() if self.is_admin else owner_id == self.key_id


def digest(raw: str) -> bytes:
    """The SHA-256 of a secret, which is kept in its place."""
    return hashlib.sha256(raw.encode()).digest()


def prefix_of(raw: str) -> str:
    """The beginning of a key, which lists and logs show; empty for a short key."""
    return raw[:_SHOWN] if len(raw) >= _LONG else ""


def authenticate(session: Session, raw: str) -> Caller | None:
    """The owner of a key; None for an unknown or revoked key. Notes its use once a minute."""
    statement = select(Key.id, Key.name, Key.role, Key.last_used_at, func.now().label("now")).where(
        Key.hash == digest(raw), Key.revoked_at.is_(None)
    )
    row = session.execute(statement).one_or_none()
    if row is None:
        return None
    if row.last_used_at is None or row.now - row.last_used_at > timedelta(minutes=1):
        session.execute(update(Key).where(Key.id == row.id).values(last_used_at=func.now()))
    return Caller(row.id, row.name, Role(row.role))


def create(session: Session, name: str, role: Role) -> KeyCreated:
    """Create a key; the returned value is the only place that has it in full."""
    raw = PREFIX + secrets.token_urlsafe(32)
    key = Key(name=name, role=role, prefix=prefix_of(raw), hash=digest(raw))
    session.add(key)
    session.flush()
    return KeyCreated.of(key, key=raw)


def listing(session: Session) -> list[KeyOut]:
    """All keys, the newest first."""
    statement = select(Key).order_by(Key.created_at.desc(), Key.id)
    return [KeyOut.of(key) for key in session.scalars(statement)]


def revoke(session: Session, key_id: UUID) -> KeyOut:
    """Revoke a key permanently; what it owns stays. Revoking it again changes nothing."""
    key = session.get(Key, key_id, with_for_update=True)
    if key is None:
        raise NotFound(f"there is no key {key_id}")
    if key.revoked_at is None:
        key.revoked_at = func.now()
        session.flush()
        session.refresh(key)
    return KeyOut.of(key)


def bootstrap(session: Session, key_id: UUID, name: str, role: Role, raw: str) -> None:
    """Store a key of the settings; it replaces an earlier key of the same id."""
    values = {"name": name, "role": role, "prefix": prefix_of(raw), "hash": digest(raw)}
    statement = insert(Key).values(id=key_id, **values)
    changed = {**values, "revoked_at": None}
    session.execute(statement.on_conflict_do_update(index_elements=[Key.id], set_=changed))
