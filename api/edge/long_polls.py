"""Long polls: requests whose answer may wait for a change of one object."""

import time
from collections.abc import Callable
from typing import TypeVar
from uuid import UUID

from fastapi import Request
from fastapi.concurrency import run_in_threadpool

from api.edge.changes import POLL_SECONDS, Changes, wait
from api.edge.errors import shutting_down

T = TypeVar("T")


async def first_found(
    request: Request,
    changes: Changes,
    object_id: UUID,
    look: Callable[[bool], T | None],
    seconds: float,
) -> T | None:
    """What `look` finds at once or after a change of the object; None where it never does in time.

    `look` runs in a thread, and is told whether the request has waited: its caller may have lost
    its access meanwhile. Raises HTTPException 503 where the process shuts down.
    """
    deadline = time.monotonic() + (0 if changes.full else seconds)
    has_waited = False
    with changes.subscribe(object_id) as event:
        while (found := await run_in_threadpool(look, has_waited)) is None:
            left = deadline - time.monotonic()
            if left <= 0 or await request.is_disconnected():
                break
            if changes.closing:
                raise shutting_down()
            await wait(event, min(left, POLL_SECONDS))
            has_waited = True
    return found
