"""Shared searches: all users read them, only their owner and admins change them."""

from sqlalchemy import ColumnElement, or_

from api.models.searches import Search
from api.store.errors import Forbidden
from api.store.keys import Caller


def may_read(caller: Caller) -> ColumnElement[bool]:
    """An SQL condition: the search is the caller's own or shared; an admin reads all."""
    return or_(caller.owns(Search.owner_id), Search.shared)


def read_only() -> Forbidden:
    """The error for a change to a search that the caller only reads."""
    return Forbidden(
        "this search belongs to another user, who shares it to be read: only its owner and admins "
        "change it; clone it to continue with its settings, on a data set of yours"
    )
