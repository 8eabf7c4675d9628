"""Reports of results: those that blame storage are examined before they are believed."""

import logging
from collections.abc import Callable, Sequence
from hmac import compare_digest
from uuid import UUID

from sqlalchemy import Connection

from api.store import blobs, rests, results, setbacks
from api.store.together import first_of_each_trial
from core.errors import BlobError, InvalidInput
from core.graph.architecture import Architecture
from core.graph.weights import check, load
from core.protocol.contracts.blobs import BlobRef
from core.protocol.contracts.results import ResultAnswer, TrialResult
from core.protocol.proofs import proof
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
    set is marked likewise; its trials wait for its repair. Where storage works for this process,
    the worker's own access to it is broken: another worker gets the trial, and this one rests.

    Raises InvalidInput where it names a blob of another user that this worker has not made.
    """
    _require_made(connection, storage, trial_id, report)
    if report.status is not TrialStatus.FAILED or not (report.damaged or report.setback):
        return results.accept(connection, trial_id, report, max_attempts)
    report, fault = _examined(connection, storage, trial_id, report)
    seconds = rests.begin(connection, trial_id, report, fault) if fault else 0.0
    answer = results.accept(connection, trial_id, report, max_attempts)
    if seconds:
        _log.error("a worker cannot use storage: %s", fault, extra={"trial_id": str(trial_id)})
        answer = answer.model_copy(update={"reason": fault, "rest_seconds": seconds})
    return answer


def accept_together(
    connection: Connection, calls: Sequence[tuple[UUID, TrialResult]], max_attempts: int
) -> list[ResultAnswer | None]:
    """The answers to several results; None for those that are left out, and have done nothing.

    Left out are those that `api.store.results.accept_together` says, and all whose blobs another
    user has as well.
    """
    shared = blobs.parts_of_others(connection, first_of_each_trial(calls))
    counted = [(trial, report) for trial, report in calls if trial not in shared]
    answers = iter(results.accept_together(connection, counted, max_attempts))
    return [None if trial in shared else next(answers) for trial, _ in calls]


def _require_made(
    connection: Connection, storage: Storage, trial_id: UUID, report: TrialResult
) -> None:
    """Raise InvalidInput where a worker names what another user has, and knows only its hash."""
    for part in blobs.parts_of_others(connection, {trial_id: report}).get(trial_id, []):
        blob: BlobRef = getattr(report, part)
        # As bytes: `compare_digest` refuses texts that are not ASCII.
        given = (getattr(report, f"{part}_proof") or "").encode()
        try:
            expected = proof(report.token, storage.get(blob)).encode()
            is_made = compare_digest(given, expected)
        except BlobError:
            is_made = False
        if not is_made:
            raise InvalidInput(
                f"{part}: found {blob.key}, which belongs to another user; expected a blob that "
                "this worker has made, or the proof that it has made equal bytes"
            )


def _examined(
    connection: Connection, storage: Storage, trial_id: UUID, report: TrialResult
) -> tuple[TrialResult, str]:
    """The report as it counts, and what is wrong with the worker, "" unless it is to blame."""
    blob = report.damaged
    if blob is None:
        return report, _fault_of_worker(storage.check_writable, report)
    is_dataset = setbacks.is_dataset_of(connection, trial_id, blob)
    architecture = None if is_dataset else setbacks.architecture_of(connection, trial_id, blob)
    if not is_dataset and not architecture:
        return report, ""  # not a blob of its search: the report counts as it is

    def examine() -> None:
        if is_dataset:
            storage.check(blob)
        else:
            check(Architecture.from_json(architecture), load(storage.get(blob)))

    try:
        fault = _fault_of_worker(examine, report)
    except BlobError as error:
        _log.error("a blob is damaged: %s", error, extra={"trial_id": str(trial_id)})
        setbacks.mark_damaged(connection, blob, str(error))
        # Trials wait for the repair of a data set; they start at once from other weights.
        update = {"setback": True, "damaged": None if is_dataset else blob}
        return report.model_copy(update=update), ""
    if not fault and is_dataset:  # after a pause, as storage does not answer
        return report.model_copy(update={"setback": True, "damaged": None}), ""
    return report.model_copy(update={"setback": report.setback or bool(fault)}), fault


def _fault_of_worker(examine: Callable[[], None], report: TrialResult) -> str:
    """What is wrong with the worker of a report, where the service finds storage in order.

    Empty where it does not, or where that cannot be told now.
    """
    try:
        examine()
    except OSError as error:
        _log.warning("storage does not work for this process either: %s", error)
        return ""
    return (
        f"this worker alone cannot use storage: {report.reason}; expected the storage of the "
        "service: check NETMORPH_STORAGE_URL, the mount and the disk of the worker"
    )
