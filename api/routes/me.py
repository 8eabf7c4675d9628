"""The key that a request came with."""

from fastapi import APIRouter

from api.edge.dependencies import CallerDep, SessionDep
from api.schemas.keys import KeyOut
from api.store import keys

router = APIRouter(prefix="/v1/me", tags=["keys"])


@router.get("")
def get_me(caller: CallerDep, session: SessionDep) -> KeyOut:
    """Get your API key: its name, its role and until when it opens."""
    return keys.get(session, caller.key_id)
