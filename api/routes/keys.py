"""API keys, managed by admins."""

from datetime import timedelta

from fastapi import APIRouter

from api.edge.dependencies import AdminDep, IdempotencyKey, KeyId, SessionDep
from api.schemas.keys import KeyCreated, KeyIn, KeyOut, KeyPage, RotateIn
from api.store import keys
from api.store.repeats import id_of_new

router = APIRouter(prefix="/v1/keys", tags=["keys"])


@router.post("", status_code=201)
def create_key(
    body: KeyIn, admin: AdminDep, session: SessionDep, idempotency_key: IdempotencyKey = None
) -> KeyCreated:
    """Create an API key. Only this response shows it.

    With an `Idempotency-Key`, the same request sent again returns the same key with a new secret,
    in case that the first response was lost; 409 once the key has been used.
    """
    key_id = id_of_new(admin, "key", idempotency_key)
    return keys.create(session, body.name, body.role, body.expires_at, body.worker, key_id)


@router.get("")
def list_keys(_: AdminDep, session: SessionDep) -> KeyPage:
    """List all API keys, without their secrets."""
    return KeyPage(items=keys.listing(session))


@router.post("/{key_id}:rotate")
def rotate_key(
    key_id: KeyId, _: AdminDep, session: SessionDep, body: RotateIn | None = None
) -> KeyCreated:
    """Give a key a new secret; the objects it owns stay. Only this response shows it.

    The old secret stops opening at once, or after `grace_seconds`; sessions on the dashboard end.
    """
    grace = timedelta(seconds=(body or RotateIn()).grace_seconds)
    return keys.rotate(session, key_id, grace)


@router.delete("/{key_id}")
def revoke_key(key_id: KeyId, _: AdminDep, session: SessionDep) -> KeyOut:
    """Revoke an API key, at once and permanently; the objects it owns stay.

    409 for the only key of an admin: rotate it, or create another one first.
    """
    return keys.revoke(session, key_id)
