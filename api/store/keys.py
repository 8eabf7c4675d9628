"""API keys. A key is shown once; only its SHA-256 is kept, which suffices as keys are random.

A key opens until it is revoked or expires. Its secret can be rotated: the key, and what it owns,
stays. A secret that was revoked or rotated never opens again, not even as a key of the settings.
"""

import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import (
    ColumnElement,
    LargeBinary,
    Select,
    and_,
    bindparam,
    delete,
    func,
    or_,
    select,
    true,
    update,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import InstrumentedAttribute, Session

from api.models.keys import BrowserSession, Key, RetiredSecret
from api.roles import Role
from api.schemas.keys import KeyCreated, KeyOut
from api.store.errors import Conflict, Forbidden, KeyReused
from api.store.missing import missing
from api.store.notifications import access_changed
from core.errors import InvalidInput

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
    worker: str | None = None  # the only worker name that may use a worker's key; None: any

    def require_worker(self, name: str) -> None:
        """Raise Forbidden where the key is for a worker of another name."""
        if self.worker is not None and name != self.worker:
            raise Forbidden(
                f"this key is for the worker {self.worker!r}; found one named {name!r}: set "
                f"NETMORPH_WORKER_NAME={self.worker}, or create a key for this worker"
            )

    @property
    def is_admin(self) -> bool:
        return self.role is Role.ADMIN

    def may_change(self, owner_id: UUID) -> bool:
        """Whether an object of this owner is the caller's to change: an admin changes all."""
        return self.is_admin or owner_id == self.key_id

    def owns(self, owner_id: InstrumentedAttribute[Any]) -> ColumnElement[bool]:
        """An SQL condition: the row is the caller's own; an admin owns all rows."""
        return true() if self.is_admin else owner_id == self.key_id


def digest(raw: str) -> bytes:
    """The SHA-256 of a secret, which is kept in its place."""
    return hashlib.sha256(raw.encode()).digest()


def prefix_of(raw: str) -> str:
    """The beginning of a key, which lists and logs show; empty for a short key."""
    return raw[:_SHOWN] if len(raw) >= _LONG else ""


def are_open() -> ColumnElement[bool]:
    """An SQL condition: the key is neither revoked nor expired."""
    return and_(
        Key.revoked_at.is_(None), or_(Key.expires_at.is_(None), Key.expires_at > func.now())
    )


def _by_secret() -> Select[UUID, str, str, str | None, datetime | None, datetime]:
    """The open key with a secret, also with one that was rotated and whose time is not up."""
    hash_ = bindparam("hash", type_=LargeBinary)
    rotated = select(RetiredSecret.key_id).where(
        RetiredSecret.hash == hash_, RetiredSecret.valid_until > func.now()
    )
    return select(
        Key.id, Key.name, Key.role, Key.worker, Key.last_used_at, func.now().label("now")
    ).where(or_(Key.hash == hash_, Key.id == rotated.scalar_subquery()), are_open())


_OPEN_ADMINS = (
    select(Key.id).where(Key.role == Role.ADMIN, are_open()).order_by(Key.id).with_for_update()
)
_BY_SECRET = _by_secret()  # built once: building costs more than running


def authenticate(session: Session, raw: str) -> Caller | None:
    """The owner of a key; None for an unknown, revoked or expired key.

    Notes its use once a minute. A secret that was rotated opens until its time is up.
    """
    row = session.execute(_BY_SECRET, {"hash": digest(raw)}).one_or_none()
    if row is None:
        return None
    if row.last_used_at is None or row.now - row.last_used_at > timedelta(minutes=1):
        session.execute(update(Key).where(Key.id == row.id).values(last_used_at=func.now()))
    return Caller(row.id, row.name, Role(row.role), row.worker)


def create(
    session: Session,
    name: str,
    role: Role,
    expires_at: datetime | None = None,
    worker: str | None = None,
    key_id: UUID | None = None,
) -> KeyCreated:
    """Create a key; the returned value is the only place that has it in full.

    With `worker`, only a worker of this name may use it. A `key_id` that is there means that the
    same request comes again, as the answer to it was lost: the key gets a new secret.

    Raises:
        InvalidInput: the key would have expired already, or is for a worker and not of this role.
        KeyReused: the key with this id was created by another request.
        Conflict: the key with this id has been used, or revoked.
    """
    if worker is not None and role is not Role.WORKER:
        raise InvalidInput(
            f"worker: found a name for a key of role {role.value}; expected the role worker"
        )
    now: datetime = session.scalars(select(func.now())).one()
    if expires_at is not None and expires_at <= now:
        raise InvalidInput(
            f"expires_at: found {expires_at.isoformat()}; expected a time after {now.isoformat()}"
        )
    raw = _new()
    wanted = {"name": name, "role": role, "worker": worker, "expires_at": expires_at}
    statement = (
        insert(Key)
        .values(id=key_id or uuid4(), prefix=prefix_of(raw), hash=digest(raw), **wanted)
        .on_conflict_do_nothing(index_elements=[Key.id])
        .returning(Key)
    )
    key = session.scalars(statement).one_or_none()
    if key is None and key_id is not None:
        key = _created_before(session, key_id, wanted)
        _replace(session, key, raw, None)
    return KeyCreated.of(key, key=raw)


def _created_before(session: Session, key_id: UUID, wanted: Mapping[str, Any]) -> Key:
    """The key that the same request has created, while nobody has its secret."""
    key = _locked(session, key_id)
    if any(getattr(key, name) != value for name, value in wanted.items()):
        raise KeyReused("the Idempotency-Key belongs to another request: use a new one")
    if key.last_used_at is not None or key.revoked_at is not None:
        found = "has been used" if key.revoked_at is None else "is revoked"
        raise Conflict(f"the key {key_id} of this request {found}: rotate it, or create another")
    return key


def rotate(session: Session, key_id: UUID, grace: timedelta = timedelta()) -> KeyCreated:
    """Give a key a new secret; what it owns stays its own. Its sessions end.

    The old secret opens for the time of `grace` still. Raises Conflict for a key that is revoked
    or expired: create a new one.
    """
    key = _locked(session, key_id)
    if session.scalars(select(Key.id).where(Key.id == key_id, are_open())).one_or_none() is None:
        raise Conflict(f"the key {key_id} is revoked or expired: create a new one")
    raw = _new()
    _replace(session, key, raw, func.now() + grace)
    return KeyCreated.of(key, key=raw)


def _new() -> str:
    return PREFIX + secrets.token_urlsafe(32)


def _locked(session: Session, key_id: UUID) -> Key:
    key = session.get(Key, key_id, with_for_update=True)
    if key is None:
        raise missing("key", key_id)
    return key


def _replace(
    session: Session, key: Key, raw: str, valid_until: ColumnElement[datetime] | None
) -> None:
    """Retire the secret of a key and give it this one; its sessions end."""
    session.add(RetiredSecret(hash=key.hash, key_id=key.id, valid_until=valid_until))
    key.hash, key.prefix = digest(raw), prefix_of(raw)
    _end_sessions(session, key.id)
    session.flush()


def _end_sessions(session: Session, key_id: UUID) -> None:
    """End what stands for a key: its sessions now, its open streams at the notification."""
    session.execute(delete(BrowserSession).where(BrowserSession.key_id == key_id))
    access_changed(session)


def listing(session: Session) -> list[KeyOut]:
    """All keys, the newest first."""
    statement = select(Key).order_by(Key.created_at.desc(), Key.id)
    return [KeyOut.of(key) for key in session.scalars(statement)]


def get(session: Session, key_id: UUID) -> KeyOut:
    """One key, without its secret."""
    return KeyOut.of(session.get_one(Key, key_id))


def revoke(session: Session, key_id: UUID) -> KeyOut:
    """Revoke a key permanently; what it owns stays. Revoking it again changes nothing.

    Raises Conflict for the only open key of an admin: nobody could create another one.
    """
    admins = session.scalars(_OPEN_ADMINS).all()  # locked: two admins may revoke each other
    if admins == [key_id]:
        raise Conflict(
            "this is the only key of an admin, and nobody could create another one: give it a new "
            "secret (netmorph key rotate), or create another key of an admin first"
        )
    key = _locked(session, key_id)
    if key.revoked_at is None:
        key.revoked_at = func.now()
        _end_sessions(session, key_id)
        session.flush()
        session.refresh(key)
    return KeyOut.of(key)


def bootstrap(session: Session, key_id: UUID, name: str, role: Role, raw: str) -> bool:
    """Store a key of the settings; it replaces an earlier key of the same id.

    False where nothing is stored, as this secret was revoked or rotated before: it stays so, also
    through a restart of the service. Another secret of the settings opens again.
    """
    others = select(Key.name).where(Key.hash == digest(raw), Key.id != key_id)
    if (other := session.scalars(others).one_or_none()) is not None:
        raise InvalidInput(f"the {name} key is that of {other!r}, too: set one that is its own")
    values = {"name": name, "role": role, "prefix": prefix_of(raw), "hash": digest(raw)}
    session.execute(insert(Key).values(id=key_id, **values).on_conflict_do_nothing())
    key = _locked(session, key_id)
    if session.get(RetiredSecret, digest(raw)) is not None:
        return False
    if key.hash == digest(raw):
        return key.revoked_at is None
    if key.revoked_at is None:  # an operator may go back to a secret that was never revoked
        key.hash, key.prefix = digest(raw), prefix_of(raw)
        _end_sessions(session, key_id)
    else:
        _replace(session, key, raw, None)
    key.revoked_at = key.expires_at = None
    session.flush()
    return True
