"""Operations of the service: imports that go on after their request has been answered."""

import time
from collections.abc import Callable, Mapping
from typing import cast

import httpx

from netmorph.answers import Operation
from netmorph.errors import ClientError, RefusedRequest
from netmorph.responses import json_of, refusal

#: The header by which a service that can do so answers before it has imported a file (RFC 7240).
PREFERENCE = {"Prefer": "respond-async"}
_PAUSE = 0.2  # least seconds between two requests, where the service does not wait
_STATES = ("running", "done", "failed", "cancelled")

#: Is called with what an import does now, in words.
OnStep = Callable[[str], None]
#: Requests an operation once it has another ETag than this one, or after a while.
Poll = Callable[[str, Mapping[str, str]], httpx.Response]


class ImportInterrupted(RefusedRequest):
    """The service ended before it had imported a file: it may be sent again."""


def dataset_of(
    begun: httpx.Response, poll: Poll, on_step: OnStep, cancel: Callable[[str], str]
) -> str:
    """The id of the data set of an operation, once it is done.

    `poll` requests a path of the service with further headers. Where Ctrl-C is pressed meanwhile,
    `cancel` is called with the id of the operation, and says in words what it has done; they are a
    note of the KeyboardInterrupt.

    Raises:
        RefusedRequest: it has failed, and the error is that of a request that is refused at once;
            or somebody has cancelled it.
        ImportInterrupted: it has failed, as its service ended.
        ClientError: its data set has been deleted meanwhile.
    """
    operation_id = _read(begun)["id"]
    try:
        ended = _followed(begun, poll, on_step)
    except KeyboardInterrupt as interrupt:
        interrupt.add_note(cancel(operation_id))
        raise
    if ended["status"] in ("failed", "cancelled"):
        raise _failure(ended)
    if ended["dataset_id"] is None:
        raise ClientError(f"the data set {ended['name']!r} was deleted as soon as it was imported")
    return ended["dataset_id"]


def _followed(begun: httpx.Response, poll: Poll, on_step: OnStep) -> Operation:
    """The operation once it has ended."""
    answer, operation = begun, _read(begun)
    while operation["status"] == "running":
        known = {"If-None-Match": tag} if (tag := answer.headers.get("etag")) else {}
        answer = poll(f"/v1/operations/{operation['id']}", known)
        if answer.status_code != httpx.codes.NOT_MODIFIED:
            operation = _read(answer)
        if operation["status"] == "running":
            on_step(operation["step"])
            time.sleep(_PAUSE)
    return operation


def _failure(ended: Operation) -> RefusedRequest:
    problem = ended["problem"] or {}
    status = problem.get("status")
    found = refusal(problem, status if isinstance(status, int) else 500, "the import has failed")
    if found.status != httpx.codes.SERVICE_UNAVAILABLE:
        return found
    return ImportInterrupted(found.status, found.title, found.detail, found.errors)


def _read(answer: httpx.Response) -> Operation:
    """The operation that an answer describes; raises ClientError where it describes none."""
    found = json_of(answer)
    known = ("id", "name", "step", "dataset_id", "problem")
    if not isinstance(found, dict) or found.get("status") not in _STATES or set(known) - {*found}:
        raise ClientError(
            f"{answer.url} answered with {answer.status_code} and no operation; expected one in "
            f"the state {', '.join(_STATES)}: update the client, or check what is between it and "
            "the service"
        )
    return cast(Operation, found)
