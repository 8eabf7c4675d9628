"""Requests that create something and may be sent again, where the first answer was lost."""

from uuid import UUID, uuid4, uuid5

from api.store.keys import Caller


def id_of_new(caller: Caller, kind: str, idempotency_key: str | None) -> UUID:
    """The id of what a request creates; with an Idempotency-Key that of the first such request."""
    return uuid4() if idempotency_key is None else uuid5(caller.key_id, f"{kind} {idempotency_key}")
