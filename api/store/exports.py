"""Exports: the trained model of a search's final fit."""

from uuid import UUID

from sqlalchemy import select
from sqlalchemy.orm import Session

from api.models import Trial
from api.store import blobs, searches
from api.store.errors import NotFound
from api.store.keys import Caller
from core.protocol.contracts import BlobRef
from core.protocol.states import TrialKind


def blob(session: Session, caller: Caller, search_id: UUID) -> BlobRef:
    """Where the exported model lies; NotFound until the final fit has ended."""
    searches.require(session, caller, search_id)
    statement = select(Trial.export_key, Trial.export_bytes).where(
        Trial.search_id == search_id, Trial.kind == TrialKind.FINAL
    )
    key, size = session.execute(statement).one_or_none() or (None, None)
    found = blobs.reference(key, size)
    if found is None:
        raise NotFound(f"the search {search_id} has no exported model yet")
    return found
