"""Every response has the security headers, and keeps those that it has set itself."""

import asyncio
from typing import Any

import pytest
from starlette.responses import PlainTextResponse
from starlette.types import Message

from api.edge.headers import CONTENT_SECURITY_POLICY, SecurityHeaders


def sent(headers: dict[str, str]) -> dict[str, str]:
    """The headers of a response that an application sends with its own."""
    messages: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.disconnect"}

    async def keep(message: Message) -> None:
        messages.append(message)

    app = SecurityHeaders(PlainTextResponse("hello", headers=headers))
    scope: dict[str, Any] = {"type": "http", "method": "GET", "path": "/", "headers": []}
    asyncio.run(app(scope, receive, keep))
    return {name.decode().lower(): value.decode() for name, value in messages[0]["headers"]}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("content-security-policy", CONTENT_SECURITY_POLICY),
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
        ("referrer-policy", "same-origin"),
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-resource-policy", "same-origin"),
        ("cache-control", "no-store"),
    ],
)
def test_a_header_is_added_unless_the_response_has_its_own(name: str, value: str) -> None:
    assert sent({})[name] == value
    assert sent({name.title(): "its own"})[name] == "its own"


def test_pages_load_nothing_from_other_sites_and_send_nothing_there() -> None:
    rules = dict(rule.split(" ", 1) for rule in CONTENT_SECURITY_POLICY.split("; "))
    assert "'unsafe-inline'" not in CONTENT_SECURITY_POLICY
    assert rules["frame-ancestors"] == rules["object-src"] == rules["base-uri"] == "'none'"
    assert rules["form-action"] == rules["script-src"] == rules["default-src"] == "'self'"
