"""A headless Chromium for tests, and what its pages must not do.

With `NETMORPH_REQUIRE_BROWSER=1` a missing Chromium is a failure.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

#: That an expectation is waited for at most: a busy machine takes seconds to draw a figure.
_MILLISECONDS = 30_000


@contextmanager
def chromium() -> Iterator[Browser]:
    """A headless Chromium; without one the test is skipped."""
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        if os.environ.get("NETMORPH_REQUIRE_BROWSER") == "1":
            pytest.fail("Chromium is required here (NETMORPH_REQUIRE_BROWSER=1) and not found")
        pytest.skip("Chromium is not installed")
    sandbox = ["--no-sandbox"] if os.getuid() == 0 else []  # Chromium's sandbox refuses root
    expect.set_options(timeout=_MILLISECONDS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=program, args=[*sandbox, "--disable-dev-shm-usage"]
        )
        yield browser
        browser.close()


@contextmanager
def page_of(browser: Browser, url: str, **context: Any) -> Iterator[Page]:
    """A page at this service; an error or a warning in its console fails the test at the end."""
    opened = browser.new_context(base_url=url, color_scheme="light", **context)
    page = opened.new_page()
    messages: list[str] = []
    page.on("pageerror", lambda error: messages.append(str(error)))
    page.on(
        "console",
        lambda message: (
            messages.append(message.text) if message.type in ("error", "warning") else None
        ),
    )
    other_hosts: list[str] = []
    page.on(
        "request",
        lambda request: (
            other_hosts.append(request.url)
            if not request.url.startswith((url, "blob:", "data:"))
            else None
        ),
    )
    yield page
    opened.close()
    # Chromium also reports a form that was returned with errors (422) as a failed resource.
    assert [text for text in messages if "422" not in text] == []
    assert other_hosts == [], "the dashboard loads nothing from other hosts"
