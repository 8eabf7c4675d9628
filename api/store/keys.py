"""API keys: who calls. A key is shown once; only its SHA-256 is kept, as it is random itself."""

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

#: The keys that the settings bring; their ids stay when the keys are changed.
FIRST_ADMIN = UUID(int=1)
FIRST_WORKER = UUID(int=2)


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls, as its key says."""

    key_id: UUID
    name: str
    role: Role

    @property
    def is_admin(self) -> bool:
        return self.role is Role.ADMIN

    def owns(self, owner_id: InstrumentedAttribute[Any]) -> ColumnElement[bool]:
        """A condition on an owner's column: the caller's own, or everybody's for an admin."""
        return true() if self.is_admin else owner_id == self.key_id


def digest(raw: str) -> bytes:
    """What is kept of a secret."""
    return hashlib.sha256(raw.encode()).digest()


def authenticate(session: Session, raw: str) -> Caller | None:
    """Who has the key; None for an unknown or revoked one. Notes its use once a minute."""
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
    """Make a new key; the answer is the only place that has it in full."""
    raw = PREFIX + secrets.token_urlsafe(32)
    key = Key(name=name, role=role, prefix=raw[:_SHOWN], hash=digest(raw))
    session.add(key)
    session.flush()
    return KeyCreated.of(key, key=raw)


def listing(session: Session) -> list[KeyOut]:
    """All keys, the newest first."""
    statement = select(Key).order_by(Key.created_at.desc(), Key.id)
    return [KeyOut.of(key) for key in session.scalars(statement)]


def revoke(session: Session, key_id: UUID) -> KeyOut:
    """End a key's use for ever; what it owns stays. Again changes nothing."""
    key = session.get(Key, key_id, with_for_update=True)
    if key is None:
        raise NotFound(f"there is no key {key_id}")
    if key.revoked_at is None:
        key.revoked_at = func.now()
        session.flush()
        session.refresh(key)
    return KeyOut.of(key)


def bootstrap(session: Session, key_id: UUID, name: str, role: Role, raw: str) -> None:
    """Make a key from the settings known; another key than last time replaces it."""
    values = {"name": name, "role": role, "prefix": raw[:_SHOWN], "hash": digest(raw)}
    statement = insert(Key).values(id=key_id, **values)
    changed = {**values, "revoked_at": None}
    session.execute(statement.on_conflict_do_update(index_elements=[Key.id], set_=changed))
