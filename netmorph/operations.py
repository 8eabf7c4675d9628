"""Operations of the service: imports that go on after their request has been answered."""

import time
from collections.abc import Callable, Mapping
from typing import Any, cast

import httpx

from netmorph.answers import Operation
from netmorph.errors import ClientError
from netmorph.responses import json_of, refusal

#: The header by which a service that can do so answers before it has imported a file (RFC 7240).
PREFERENCE = {"Prefer": "respond-async"}
_PAUSE = 0.2  # least seconds between two requests, where the service does not wait

#: Is called with what an import does now, in words.
OnStep = Callable[[str], None]
#: Requests an operation once it has another ETag than this one, or after a while.
Poll = Callable[[str, Mapping[str, str]], httpx.Response]


def dataset_of(begun: httpx.Response, poll: Poll, on_step: OnStep) -> str:
    """The id of the data set of an operation, once it is done.

    `poll` requests a path of the service with further headers.

    Raises:
        RefusedRequest: it has failed; the error is that of a request that is refused at once.
        ClientError: its data set has been deleted meanwhile.
    """
    ended = _followed(begun, poll, on_step)
    if (problem := ended["problem"]) is not None:
        raise refusal(problem, int(problem.get("status", 500)), "the import has failed")
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


def _read(answer: httpx.Response) -> Operation:
    found: Any = json_of(answer)
    return cast(Operation, found)
