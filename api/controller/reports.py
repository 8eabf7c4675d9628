"""Reports of results: those that name damaged weights are checked before they are believed."""

import logging
from uuid import UUID

from sqlalchemy import Connection

from api.store import results, setbacks
from core.errors import BlobError
from core.graph.architecture import Architecture
from core.graph.weights import check, load
from core.protocol.contracts import BlobRef, JsonObject, ResultAnswer, TrialResult
from core.protocol.states import TrialStatus
from core.protocol.storage import Storage

_log = logging.getLogger(__name__)


def accept(
    connection: Connection,
    storage: Storage,
    trial_id: UUID,
    report: TrialResult,
    max_attempts: int,
) -> ResultAnswer:
    """Count how a trial ended, once; see `api.store.results.accept`.

    A trial that could not start because weights are damaged is not counted as failed. They are
    marked, if they are damaged for this process as well, and the trial starts from others. A data
    set is marked likewise; its trials wait for its repair.
    """
    if report.damaged is not None and report.status is TrialStatus.FAILED:
        if setbacks.is_dataset_of(connection, trial_id, report.damaged):
            return _accept_lost_data(connection, storage, trial_id, report, max_attempts)
        architecture = setbacks.architecture_of(connection, trial_id, report.damaged)
        if architecture and (problem := _problem(storage, report.damaged, architecture)):
            _log.error("weights are damaged: %s", problem, extra={"trial_id": str(trial_id)})
            setbacks.mark_damaged(connection, report.damaged, problem)
            report = report.model_copy(update={"setback": True})
    return results.accept(connection, trial_id, report, max_attempts)


def _accept_lost_data(
    connection: Connection,
    storage: Storage,
    trial_id: UUID,
    report: TrialResult,
    max_attempts: int,
) -> ResultAnswer:
    """Count a report that the trial's data set cannot be read, and mark the data set if so."""
    assert report.damaged is not None
    try:
        storage.check(report.damaged)
    except BlobError as error:
        _log.error("a data set is damaged: %s", error, extra={"trial_id": str(trial_id)})
        setbacks.mark_damaged(connection, report.damaged, str(error))
    except OSError as error:
        _log.warning("cannot check a data set that is reported as damaged: %s", error)
    waiting = report.model_copy(update={"setback": True, "damaged": None})  # after a pause
    return results.accept(connection, trial_id, waiting, max_attempts)


def _problem(storage: Storage, weights: BlobRef, architecture: JsonObject) -> str:
    """Why the weights cannot be used; empty where they can, or storage does not tell."""
    try:
        check(Architecture.from_json(architecture), load(storage.get(weights)))
    except BlobError as error:
        return str(error)
    except OSError as error:
        _log.warning("cannot check weights that are reported as damaged: %s", error)
    return ""
