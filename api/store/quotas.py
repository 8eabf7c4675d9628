"""Quotas: how much one user may keep and run, and of which priority. Admins have none."""

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from api.models.datasets import Dataset
from api.models.keys import Key
from api.models.searches import Search
from api.models.trials import Trial
from api.models.webhooks import Webhook
from api.priorities import Priority
from api.store.errors import Forbidden, QuotaExceeded
from api.store.keys import Caller
from core.protocol.states import LIVE_SEARCH, LIVE_TRIAL, TrialKind


def check_bytes(session: Session, caller: Caller, more: int, most: int) -> None:
    """Raise QuotaExceeded where the caller's data sets and `more` bytes exceed its quota."""
    if caller.is_admin:
        return
    statement = select(func.coalesce(func.sum(Dataset.blob_bytes), 0))
    kept = session.scalars(statement.where(Dataset.owner_id == caller.key_id)).one()
    if kept + more > most:
        raise QuotaExceeded(
            f"your data sets have {kept:,} bytes, uploads included {kept + more:,}; "
            f"expected at most {most:,}: upload less, or have an admin raise NETMORPH_OWNER_BYTES"
        )


def check_searches(session: Session, caller: Caller, most: int) -> None:
    """Raise QuotaExceeded where the caller has as many live searches as it may.

    The caller's key stays locked until the transaction ends, so that two requests at the same time
    are counted one after the other.
    """
    if caller.is_admin:
        return
    _lock(session, caller)
    mine = select(func.count()).where(
        Search.owner_id == caller.key_id, Search.status.in_(LIVE_SEARCH)
    )
    live = session.scalars(mine).one()
    if live >= most:
        raise QuotaExceeded(
            f"{live} of your searches have not ended; expected at most {most}: stop one or "
            "wait for its end, or have an admin raise NETMORPH_OWNER_SEARCHES"
        )


def priorities(caller: Caller) -> frozenset[Priority]:
    """The priorities that the caller may give a search."""
    return frozenset(Priority) if caller.is_admin else frozenset(Priority) - {Priority.HIGH}


def check_priority(caller: Caller, priority: Priority, present: str = Priority.NORMAL) -> None:
    """Raise Forbidden where the caller may not give a search this priority.

    A search that an admin has given the priority `high` keeps it where its owner sends it again.
    """
    if priority == present or priority in priorities(caller):
        return
    raise Forbidden(
        "priority: found 'high', which only an admin may set; expected 'low' or 'normal': give "
        "your other searches a low priority, or ask an admin"
    )


def check_exports(session: Session, caller: Caller, most: int) -> None:
    """Raise QuotaExceeded where as many exports as may be are on their way; locks as above."""
    if caller.is_admin:
        return
    _lock(session, caller)
    mine = (
        select(func.count())
        .select_from(Trial)
        .join(Search, Search.id == Trial.search_id)
        .where(
            Search.owner_id == caller.key_id,
            Trial.kind == TrialKind.EXPORT,
            Trial.status.in_(LIVE_TRIAL),
        )
    )
    if (live := session.scalars(mine).one()) >= most:
        raise QuotaExceeded(
            f"{live} of your exports are on their way; expected at most {most}: wait for one of "
            "them, or have an admin raise NETMORPH_OWNER_TRIALS"
        )


def check_webhooks(session: Session, caller: Caller, most: int) -> None:
    """Raise QuotaExceeded where the caller has as many webhooks as it may; locks as above."""
    if caller.is_admin:
        return
    _lock(session, caller)
    mine = select(func.count()).where(Webhook.owner_id == caller.key_id)
    if (found := session.scalars(mine).one()) >= most:
        raise QuotaExceeded(
            f"you have {found} webhooks; expected at most {most}: delete one, or have an admin "
            "raise NETMORPH_OWNER_WEBHOOKS"
        )


def _lock(session: Session, caller: Caller) -> None:
    """Let no other transaction count for the same caller until this one ends."""
    session.execute(select(Key.id).where(Key.id == caller.key_id).with_for_update(key_share=True))
