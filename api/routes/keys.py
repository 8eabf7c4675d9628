"""API keys, for admins."""

from uuid import UUID

from fastapi import APIRouter

from api.edge.dependencies import AdminDep, SessionDep
from api.schemas import KeyCreated, KeyIn, KeyOut, KeyPage
from api.store import keys

router = APIRouter(prefix="/v1/keys", tags=["keys"])


@router.post("", status_code=201)
def create_key(body: KeyIn, _: AdminDep, session: SessionDep) -> KeyCreated:
    """Make a key. The answer is the only place that shows it."""
    return keys.create(session, body.name, body.role)


@router.get("")
def list_keys(_: AdminDep, session: SessionDep) -> KeyPage:
    """All keys, without their secrets."""
    return KeyPage(items=keys.listing(session))


@router.delete("/{key_id}")
def revoke_key(key_id: UUID, _: AdminDep, session: SessionDep) -> KeyOut:
    """Revoke a key at once and for ever; what it owns stays."""
    return keys.revoke(session, key_id)
