"""The worker's HTTP client of the controller: lease a trial, send heartbeats, epochs, the result.

Every call is one request; it returns the answer, or raises one of three errors that tell the
caller what to do. Only `deliver` and `hand_back` repeat their request, until the controller has
answered.
"""

import logging
import random
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import httpx
from pydantic import BaseModel, ValidationError

from core.errors import NetmorphError
from core.protocol import tracing
from core.protocol.contracts.checkpoints import Checkpoint, CheckpointReport
from core.protocol.contracts.leases import HandBack, LeaseRequest
from core.protocol.contracts.reports import Answer, EpochMetrics, EpochReport, Heartbeat
from core.protocol.contracts.results import ResultAnswer, TrialOutcome, TrialResult
from core.protocol.contracts.train_orders import TrainOrder
from core.protocol.states import TrialStatus
from worker.settings import Settings

logger = logging.getLogger(__name__)

T = TypeVar("T", bound=BaseModel)

_LONGEST_PAUSE = 10.0  # seconds between two tries
_LONGEST_REFUSAL = 500  # characters that a failure quotes of it
_LONGEST_DEMAND = 300.0  # seconds of a Retry-After that are waited


class ControllerUnreachable(NetmorphError):
    """The controller gave no usable answer: send the same request again after `retry_after`."""

    def __init__(self, message: str, retry_after: float = 0.0) -> None:
        super().__init__(message)
        self.retry_after = retry_after  # seconds, as the controller demands; 0 without a demand


class RestDemanded(NetmorphError):
    """The controller gives this worker no trials for a while: rest, then request again."""

    def __init__(self, reason: str, seconds: float) -> None:
        super().__init__(reason)
        self.seconds = seconds


class StaleLease(NetmorphError):
    """The controller does not count this lease any more: drop the trial and report nothing."""


class Refused(NetmorphError):
    """The controller does not accept the message: do not send it again."""


class ControllerClient:
    """A client of the controller; safe to use from several threads."""

    def __init__(self, settings: Settings) -> None:
        self._http = httpx.Client(
            base_url=settings.api_url,
            headers={"Authorization": f"Bearer {settings.worker_key.get_secret_value()}"},
            timeout=httpx.Timeout(10.0, connect=3.0),
            trust_env=False,  # a proxy to the internet cannot reach the controller
        )

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def lease(self, request: LeaseRequest) -> TrainOrder | None:
        """Lease the trial that has waited longest; None where none waits."""
        response = self._post("/v1/worker/lease", request)
        return (
            None if response.status_code == httpx.codes.NO_CONTENT else _read(response, TrainOrder)
        )

    def heartbeat(self, order: TrainOrder, step: int, timeout: float) -> Answer:
        """Renew the lease and report the step. The answer says whether to continue."""
        body = Heartbeat(attempt=order.attempt, token=order.token, step=step)
        return _read(self._post(_path(order, "heartbeat"), body, timeout), Answer)

    def epochs(self, order: TrainOrder, gathered: Sequence[EpochMetrics], timeout: float) -> Answer:
        """Report finished epochs, at least one. The answer says whether to continue."""
        *earlier, last = gathered
        body = _fenced(EpochReport, order, last).model_copy(update={"earlier": tuple(earlier)})
        return _read(self._post(_path(order, "epochs"), body, timeout), Answer)

    def checkpoint(self, order: TrainOrder, stored: Checkpoint, timeout: float) -> Answer:
        """Report a stored checkpoint. The answer says whether to continue."""
        body = _fenced(CheckpointReport, order, stored)
        return _read(self._post(_path(order, "checkpoint"), body, timeout), Answer)

    def hand_back(self, order: TrainOrder) -> None:
        """Give the trial back: another worker continues the attempt."""
        self._post(_path(order, "hand-back"), HandBack(attempt=order.attempt, token=order.token))

    def result(
        self,
        order: TrainOrder,
        outcome: TrialOutcome,
        then: LeaseRequest | None = None,
        last_epochs: tuple[EpochMetrics, ...] = (),
    ) -> ResultAnswer:
        """Report how the trial ended. The answer says whether the result was accepted.

        It has the next order as well where one was requested by `then`, and the service has one.
        """
        further = {"next": then, "last_epochs": last_epochs}
        body = _fenced(TrialResult, order, outcome).model_copy(update=further)
        return _read(self._post(_path(order, "result"), body), ResultAnswer)

    def _post(self, path: str, body: BaseModel, timeout: float | None = None) -> httpx.Response:
        traced = tracing.current()
        try:
            response = self._http.post(
                path,
                content=body.model_dump_json(),
                headers={"Content-Type": "application/json"}
                | ({} if traced is None else {"traceparent": traced}),
                timeout=httpx.USE_CLIENT_DEFAULT if timeout is None else timeout,
            )
        except httpx.HTTPError as error:
            raise ControllerUnreachable(f"{path}: {type(error).__name__}: {error}") from error
        _check(path, response)
        return response


def deliver(
    controller: ControllerClient,
    order: TrainOrder,
    outcome: TrialOutcome,
    pause: Callable[[float], bool],
    next_request: Callable[[], LeaseRequest | None] = lambda: None,
    last_epochs: tuple[EpochMetrics, ...] = (),
) -> ResultAnswer | None:
    """Report how a trial ended, with its last epochs, until the controller has answered.

    Each try asks for the next trial as well where `next_request` returns a request.

    An outcome that the controller refuses is replaced by a plain failure: the attempt must count.
    `pause(seconds)` waits between two tries and returns True where the worker must give up. Returns
    None where nothing was accepted: the lease is stale, or it was refused twice, or given up.
    """
    refused = False
    for seconds in _pauses_for(order):
        try:
            return controller.result(order, outcome, next_request(), last_epochs)
        except ControllerUnreachable as error:
            seconds = max(seconds, error.retry_after)
            logger.warning("result not delivered, next try in %.1f s: %s", seconds, error)
        except StaleLease as error:
            logger.warning("result dropped: %s", error)
            return None
        except Refused as error:
            logger.error("result refused: %s", error)
            if refused:
                return None
            reason = f"the controller refused the result: {error}"[:_LONGEST_REFUSAL]
            refused, outcome = True, TrialOutcome(status=TrialStatus.FAILED, reason=reason)
            last_epochs = ()
            continue
        if pause(seconds):
            logger.warning("result given up: the worker is shutting down")
            return None
    return None


def hand_back(
    controller: ControllerClient, order: TrainOrder, pause: Callable[[float], bool]
) -> bool:
    """Give a trial back, trying again as `deliver` does; False where that did not succeed."""
    for seconds in _pauses_for(order):
        try:
            controller.hand_back(order)
        except ControllerUnreachable as error:
            logger.warning("trial not handed back, next try in %.1f s: %s", seconds, error)
        except (StaleLease, Refused) as error:
            logger.warning("trial not handed back: %s", error)
            return False
        else:
            return True
        if pause(seconds):
            logger.warning("trial not handed back: its lease will run out")
            return False
    return False


def pauses(first: float = 0.5, longest: float = _LONGEST_PAUSE) -> Iterator[float]:
    """Seconds to wait before each next try: doubling up to `longest`, each with jitter."""
    seconds = first
    while True:
        yield seconds * random.uniform(0.5, 1.5)
        seconds = min(2 * seconds, longest)


def _pauses_for(order: TrainOrder) -> Iterator[float]:
    """Pauses between tries to end a lease: short enough to be heard in time after an outage.

    The controller then gives a silent worker a third of the lease before another one may take over.
    """
    return pauses(longest=min(_LONGEST_PAUSE, order.lease_seconds / 6))


def _fenced(message: type[T], order: TrainOrder, content: BaseModel) -> T:
    """The content as a message that the controller accepts from the lease's holder alone."""
    return message(attempt=order.attempt, token=order.token, **content.model_dump())


def _path(order: TrainOrder, report: str) -> str:
    return f"/v1/worker/trials/{order.trial_id}/{report}"


#: Answers that say that this worker does not have the lease.
_STALE = {httpx.codes.NOT_FOUND, httpx.codes.CONFLICT, httpx.codes.GONE}

#: Client errors that a later request may not get: a replaced key, an exceeded rate.
_TEMPORARY = {
    httpx.codes.UNAUTHORIZED,
    httpx.codes.FORBIDDEN,
    httpx.codes.REQUEST_TIMEOUT,
    httpx.codes.TOO_MANY_REQUESTS,
}


def _check(path: str, response: httpx.Response) -> None:
    """Raise the error that the status code stands for."""
    if response.is_success:
        return
    message = f"{path}: {response.status_code} {response.text[:500]}"
    if response.status_code in _STALE:
        raise StaleLease(message)
    if response.is_client_error and response.status_code not in _TEMPORARY:
        raise Refused(message)
    raise ControllerUnreachable(message, _retry_after(response))


def _retry_after(response: httpx.Response) -> float:
    """The seconds of a `Retry-After`; 0 without, and for a date, which our service never sends."""
    found = response.headers.get("Retry-After", "")
    is_number = found.isascii() and found.isdecimal()
    return min(float(found), _LONGEST_DEMAND) if is_number else 0.0


def _read(response: httpx.Response, message: type[T]) -> T:
    """The body as a message of this class."""
    try:
        return message.model_validate_json(response.content)
    except ValidationError as error:
        raise ControllerUnreachable(
            f"{response.url.path}: expected a {message.__name__}: {error}"
        ) from error
