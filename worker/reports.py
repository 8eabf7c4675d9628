"""What a worker says to the controller, over HTTP: ask for a trial, heartbeats, epochs, the result.

Every call is one request; an answer is a value or one of three errors that tell the caller what to
do. Only `deliver` repeats, until the controller has answered.
"""

import logging
import random
from collections.abc import Callable, Iterator
from typing import TypeVar
from uuid import UUID

import httpx
from pydantic import BaseModel, ValidationError

from core.errors import NetmorphError
from core.protocol.contracts import (
    Answer,
    EpochReport,
    Heartbeat,
    LeaseRequest,
    ResultAnswer,
    TrainOrder,
    TrialResult,
)
from core.protocol.states import TrialStatus
from worker.settings import Settings

logger = logging.getLogger(__name__)

T = TypeVar("T", bound=BaseModel)

_LONGEST_PAUSE = 10.0  # seconds between two tries


class Unreachable(NetmorphError):
    """The controller gave no usable answer: try the same again later."""


class Stale(NetmorphError):
    """The controller no longer counts this lease: drop the trial and report nothing."""


class Refused(NetmorphError):
    """The controller does not understand the message: sending it again cannot help."""


class ControllerClient:
    """The controller as a worker sees it; safe to use from several threads."""

    def __init__(self, settings: Settings) -> None:
        self._http = httpx.Client(
            base_url=settings.api_url,
            headers={"Authorization": f"Bearer {settings.worker_key.get_secret_value()}"},
            timeout=httpx.Timeout(10.0, connect=3.0),
            trust_env=False,  # a proxy for the internet knows nothing of the controller
        )

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def lease(self, me: LeaseRequest, trial_id: UUID | None = None) -> TrainOrder | None:
        """The trial with this id, or any that waits; None where there is none for this worker."""
        if trial_id is None:
            response = self._post("/v1/worker/lease", me)
        else:
            try:
                response = self._post(f"/v1/worker/trials/{trial_id}/lease", me)
            except Stale:
                return None
        return (
            None if response.status_code == httpx.codes.NO_CONTENT else _read(response, TrainOrder)
        )

    def heartbeat(self, order: TrainOrder, step: int, timeout: float) -> Answer:
        """Say that the trial is alive and how far it is; what the controller wants of it."""
        body = Heartbeat(attempt=order.attempt, token=order.token, step=step)
        return _read(self._post(_path(order, "heartbeat"), body, timeout), Answer)

    def epoch(self, order: TrainOrder, report: EpochReport, timeout: float) -> Answer:
        """Report one finished epoch; what the controller wants of the trial."""
        return _read(self._post(_path(order, "epochs"), report, timeout), Answer)

    def result(self, order: TrainOrder, result: TrialResult) -> ResultAnswer:
        """Report how the trial ended; whether it counted."""
        return _read(self._post(_path(order, "result"), result), ResultAnswer)

    def _post(self, path: str, body: BaseModel, timeout: float | None = None) -> httpx.Response:
        try:
            response = self._http.post(
                path,
                content=body.model_dump_json(),
                headers={"Content-Type": "application/json"},
                timeout=httpx.USE_CLIENT_DEFAULT if timeout is None else timeout,
            )
        except httpx.HTTPError as error:
            raise Unreachable(f"{path}: {type(error).__name__}: {error}") from error
        _check(path, response)
        return response


def deliver(
    controller: ControllerClient,
    order: TrainOrder,
    result: TrialResult,
    pause: Callable[[float], bool],
) -> ResultAnswer | None:
    """Report a result again and again until the controller has answered.

    A result that the controller refuses is replaced by a plain failure, so that the attempt counts
    as one. `pause(seconds)` waits between two tries and returns True where the worker must give up.
    None where the result was dropped: stale, refused twice, or given up.
    """
    refused = False
    for seconds in pauses():
        try:
            return controller.result(order, result)
        except Unreachable as error:
            logger.warning("result not delivered, next try in %.1f s: %s", seconds, error)
        except Stale as error:
            logger.warning("result dropped: %s", error)
            return None
        except Refused as error:
            logger.error("result refused: %s", error)
            if refused:
                return None
            refused, result = True, _failure(order, f"the controller refused the result: {error}")
            continue
        if pause(seconds):
            logger.warning("result given up: the worker is shutting down")
            return None
    return None


def _failure(order: TrainOrder, reason: str) -> TrialResult:
    return TrialResult(
        attempt=order.attempt,
        token=order.token,
        status=TrialStatus.FAILED,
        reason=reason[:500],
    )


def pauses(first: float = 0.5, longest: float = _LONGEST_PAUSE) -> Iterator[float]:
    """Seconds to wait before each next try: doubling up to `longest`, each with jitter."""
    seconds = first
    while True:
        yield seconds * random.uniform(0.5, 1.5)
        seconds = min(2 * seconds, longest)


def _path(order: TrainOrder, what: str) -> str:
    return f"/v1/worker/trials/{order.trial_id}/{what}"


#: Answers after which the lease is nobody's or somebody else's.
_STALE = {httpx.codes.NOT_FOUND, httpx.codes.CONFLICT, httpx.codes.GONE}

#: Answers that may be different another time: a key replaced, a limit passed.
_LATER = {
    httpx.codes.UNAUTHORIZED,
    httpx.codes.FORBIDDEN,
    httpx.codes.REQUEST_TIMEOUT,
    httpx.codes.TOO_MANY_REQUESTS,
}


def _check(path: str, response: httpx.Response) -> None:
    """Raise what the status code means, unless it is a success."""
    if response.is_success:
        return
    message = f"{path}: {response.status_code} {response.text[:500]}"
    if response.status_code in _STALE:
        raise Stale(message)
    if response.is_client_error and response.status_code not in _LATER:
        raise Refused(message)
    raise Unreachable(message)


def _read(response: httpx.Response, kind: type[T]) -> T:
    """The body as a message."""
    try:
        return kind.model_validate_json(response.content)
    except ValidationError as error:
        raise Unreachable(f"{response.url.path}: expected a {kind.__name__}: {error}") from error
