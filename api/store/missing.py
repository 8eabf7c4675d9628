"""The errors for objects that are not there: each says which list has those that are.

Objects that the caller may not read get the same words as objects that do not exist.
"""

from uuid import UUID

from api.store.errors import NotFound

#: Where to look for each kind of object.
LISTS = {
    "search": "`netmorph ls`, or GET /v1/searches, lists those that you may read",
    "trial": "`netmorph trials SEARCH`, or GET /v1/searches/{id}/trials, lists those of a search",
    "data set": "`netmorph dataset ls`, or GET /v1/datasets, lists yours and the built-in ones",
    "network": "GET /v1/networks lists yours",
    "operation": "GET /v1/operations lists yours of the last day, or fewer where there are many",
    "webhook": "`netmorph webhook ls`, or GET /v1/webhooks, lists yours",
    "delivery": "GET /v1/webhooks/{id}/deliveries lists those of a webhook",
    "worker": "`netmorph worker ls`, or GET /v1/workers, lists those that are known",
    "key": "`netmorph key ls`, or GET /v1/keys, lists them",
}


def missing(kind: str, found: UUID | str) -> NotFound:
    """The error for an object of a kind in LISTS that is not there; `found` is its id or name."""
    name = f"{found}" if isinstance(found, UUID) else repr(found)
    return NotFound(f"there is no {kind} {name}: {LISTS[kind]}")
