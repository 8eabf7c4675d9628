"""Exports of single trials: each is a trial of its own kind, whose parent is the exported one.

It trains nothing and counts nowhere: not in budgets, numbers, lists, charts or choices. Its number
is negative, so that it takes none of the search's and a trial has one export at most. It may be
leased in whatever state its search is. `api.store.train_orders` and the workers do the rest.
"""

from collections.abc import Callable
from uuid import UUID

from sqlalchemy import Connection, select
from sqlalchemy.orm import Session, aliased

from api.models.blobs import Damaged
from api.models.datasets import Dataset
from api.models.searches import Search
from api.models.trials import Trial
from api.schemas.exports import TrialExportOut
from api.store import blobs, clock, discarded, quotas, searches, trials, waiting_trials
from api.store.errors import Conflict, NotFound
from api.store.keys import Caller
from api.store.notifications import changed
from core.protocol.contracts.blobs import BlobRef
from core.protocol.states import LIVE_TRIAL, TrialKind, TrialStatus

_COPIED = ("search_id", "architecture", "fingerprint", "layers", "parameters", "flops", "choices")
_Exported = aliased(Trial)


def order(
    session: Session,
    caller: Caller,
    trial_id: UUID,
    *,
    most: int,
    is_intact: Callable[[BlobRef], bool],
) -> TrialExportOut:
    """Have a trial exported; the export that it has, or that is on its way, is the same.

    One that failed, or whose file is not `is_intact` any more, is made again.

    Raises:
        NotFound, Forbidden: the caller does not know the trial, or only reads it.
        Conflict: the trial has no weights.
        QuotaExceeded: `most` exports of the caller are on their way.
    """
    trials.require_change(session, caller, trial_id)
    found = session.get_one(Trial, trial_id)
    lost = _lost_file(session, trial_id, is_intact)  # before the lock, as storage may be slow
    searches.lock(session, found.search_id)
    session.refresh(found)
    before = _of(session, trial_id)
    if before is not None and _stands(before, lost):
        return _out(session, found, before)
    if refusal := refusal_of(session, found):
        raise Conflict(refusal)
    quotas.check_exports(session, caller, most)
    if before is not None:
        _forget(session, before)
    export = _row(found)
    session.add(export)
    session.flush()
    session.refresh(export)  # with the times of the database
    changed(session, found.search_id)
    return _out(session, found, export)


def state(session: Session, caller: Caller, trial_id: UUID) -> TrialExportOut:
    """How far the export of a trial is; NotFound where none was ordered."""
    found, export = _require(session, caller, trial_id)
    return _out(session, found, export)


def blob_of(session: Session, caller: Caller, trial_id: UUID) -> BlobRef:
    """The file of a trial's export; NotFound until it is there."""
    found, export = _require(session, caller, trial_id)
    blob = blobs.reference(export.export_key, export.export_bytes)
    if blob is None:
        because = f" ({export.reason})" if export.reason else ""
        advice = "wait for it" if export.status in LIVE_TRIAL else "order it again"
        raise NotFound(f"the export of trial {found.number} is {export.status}{because}: {advice}")
    return blob


def of_trial(session: Session, trial_id: UUID) -> tuple[TrialExportOut | None, str]:
    """The export of a trial that the caller may see, and why no other can be made, or ""."""
    found, export = session.get_one(Trial, trial_id), _of(session, trial_id)
    shown = None if export is None else _out(session, found, export)
    return shown, refusal_of(session, found)


def listing(session: Session, caller: Caller, search_id: UUID) -> list[TrialExportOut]:
    """The exports of trials of a search, in the order in which they were made."""
    searches.require(session, caller, search_id)
    return sorted(by_trial(session, search_id).values(), key=lambda one: one.created_at)


def by_trial(session: Session, search_id: UUID) -> dict[UUID, TrialExportOut]:
    """The exports of a search that the caller may see, by the trial that each is of."""
    statement = (
        select(_Exported, Trial)
        .join(Trial, Trial.parent_id == _Exported.id)
        .where(Trial.search_id == search_id, Trial.kind == TrialKind.EXPORT)
    )
    return {
        found.id: TrialExportOut.of(export, trial_id=found.id, number=found.number)
        for found, export in session.execute(statement)
    }


def refusal_of(session: Session, trial: Trial) -> str:
    """Why a trial cannot be exported, and what to do; empty where it can."""
    dataset = select(Dataset.blob_key).join(Search, Search.dataset_id == Dataset.id)
    key = session.scalars(dataset.where(Search.id == trial.search_id)).one()
    return _without_weights(trial) or damage(
        session.connection(), trial.number, trial.weights_key, key
    )


def damage(connection: Connection, number: int, weights: str | None, dataset: str) -> str:
    """Which of the two blobs that an export needs is damaged, and what to do; else empty."""
    for what, key in ((f"the weights of trial {number}", weights), ("the data set", dataset)):
        reason = connection.scalar(select(Damaged.reason).where(Damaged.blob_key == key))
        if reason is not None:
            return (
                f"{what} cannot be read from storage: {reason}; have an admin restore {key} from "
                "a backup, then order the export again"
            )
    return ""


def _without_weights(trial: Trial) -> str:
    """Why a trial has no weights of its own to export; empty where it has."""
    name, status = f"trial {trial.number}", TrialStatus(trial.status)
    if trial.kind != TrialKind.SEARCH:
        return f"{name} is a final fit, which is exported as the network of its search"
    if status in LIVE_TRIAL:
        return f"{name} is {status} and has no weights yet: wait for its end"
    if trial.weights_key is not None:
        return ""
    because = f" ({trial.reason})" if trial.reason else ""
    if trial.value is None:
        return f"{name} is {status}{because} and has left no weights: export another trial"
    return (
        f"the weights of {name} were given up, as its search has ended and this service keeps "
        "only those of the best trials (NETMORPH_KEEP_BEST): export a better trial, or clone the "
        "search"
    )


def _lost_file(
    session: Session, trial_id: UUID, is_intact: Callable[[BlobRef], bool]
) -> UUID | None:
    """The export of a trial whose file is not intact any more; None where there is none such."""
    export = _of(session, trial_id)
    blob = export and blobs.reference(export.export_key, export.export_bytes)
    return export.id if export and blob and not is_intact(blob) else None


def _stands(export: Trial, lost: UUID | None) -> bool:
    """Whether an export is on its way, or there."""
    is_there = export.export_key is not None and export.id != lost
    return export.status in LIVE_TRIAL or is_there


def _forget(session: Session, export: Trial) -> None:
    blob = blobs.reference(export.export_key, export.export_bytes)
    session.delete(export)
    session.flush()
    if blob is not None:
        discarded.add(session, blob)


def _row(trial: Trial) -> Trial:
    """A new export; it splits the examples as the trial did, and has no limit of time."""
    planned = trial.hyperparameters
    return Trial(
        **{name: getattr(trial, name) for name in _COPIED},
        number=-1 - trial.number,
        kind=TrialKind.EXPORT,
        parent_id=trial.id,
        morphisms=[],
        inherited=True,
        hyperparameters=planned and {**planned, "max_seconds": None},
    )


def _of(session: Session, trial_id: UUID) -> Trial | None:
    """The export of a trial, if there is one."""
    mine = (Trial.parent_id == trial_id, Trial.kind == TrialKind.EXPORT)
    fresh = {"populate_existing": True}
    return session.scalars(select(Trial).where(*mine), execution_options=fresh).one_or_none()


def _require(session: Session, caller: Caller, trial_id: UUID) -> tuple[Trial, Trial]:
    """A trial that the caller may read, and its export."""
    trials.require(session, caller, trial_id)
    found, export = session.get_one(Trial, trial_id), _of(session, trial_id)
    if export is None:
        raise NotFound(
            f"trial {found.number} has no export: order one by POST /v1/trials/{trial_id}/export"
        )
    return found, export


def _out(session: Session, trial: Trial, export: Trial) -> TrialExportOut:
    """The export as people see it; while it waits, with what it waits for."""
    reason = export.reason
    if export.status == TrialStatus.WAITING:
        known, now = waiting_trials.capacity(session), clock.now(session)
        reason = waiting_trials.why(reason, export.available_at, now, known)
    return TrialExportOut.of(export, trial_id=trial.id, number=trial.number, reason=reason)
