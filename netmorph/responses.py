"""Responses of the service: their JSON, and the errors that they describe."""

import contextlib
from collections.abc import Mapping
from typing import Any

import httpx

from netmorph.errors import ClientError, RefusedRequest
from netmorph.retries import retry_after


def json_of(answer: httpx.Response) -> Any:
    """The JSON of an answer; raise ClientError if it is something else, such as a web page."""
    try:
        return answer.json()
    except (ValueError, RecursionError):
        kind = answer.headers.get("content-type", "unknown content")
        raise ClientError(
            f"{answer.url} is not a Netmorph service: expected JSON, found {kind} "
            f"(status {answer.status_code}); check the address"
        ) from None


def refusal_of(answer: httpx.Response) -> RefusedRequest:
    """The error that an answer describes, also if it is no problem document."""
    document: dict[str, Any] = {}
    with contextlib.suppress(ValueError, RecursionError):
        parsed = answer.json()
        document = parsed if isinstance(parsed, dict) else {}
    found = refusal(document, answer.status_code, answer.reason_phrase)
    found.retry_after = retry_after(answer.headers.get("retry-after"))
    return found


def refusal(document: Mapping[str, Any], status: int, title: str) -> RefusedRequest:
    """The error that a problem document describes, of a request with this status and title."""
    return RefusedRequest(
        status=status,
        title=str(document.get("title") or title),
        detail=str(document.get("detail") or f"{status} {title}"),
        errors=tuple(document.get("errors") or ()),
    )
