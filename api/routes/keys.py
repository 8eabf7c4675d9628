"""API keys, managed by admins."""

from uuid import UUID

from fastapi import APIRouter

from api.edge.dependencies import AdminDep, SessionDep
from api.schemas import KeyCreated, KeyIn, KeyOut, KeyPage
from api.store import keys

router = APIRouter(prefix="/v1/keys", tags=["keys"])


@router.post("", status_code=201)
def create_key(body: KeyIn, _: AdminDep, session: SessionDep) -> KeyCreated:
    """Create an API key. Only this response shows it."""
    return keys.create(session, body.name, body.role)


@router.get("")
def list_keys(_: AdminDep, session: SessionDep) -> KeyPage:
    """List all API keys, without their secrets."""
    return KeyPage(items=keys.listing(session))


@router.delete("/{key_id}")
def revoke_key(key_id: UUID, _: AdminDep, session: SessionDep) -> KeyOut:
    """Revoke an API key, at once and permanently; the objects it owns stay."""
    return keys.revoke(session, key_id)
