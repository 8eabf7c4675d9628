"""The dashboard as a person uses it, in a real browser.

`NETMORPH_REQUIRE_BROWSER=1` makes a missing Chromium a failure; `NETMORPH_SCREENSHOTS=FOLDER` says
where the pictures go, such as `docs/images`.
"""

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.e2e.conftest import ADMIN_KEY, Stack

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("machine")]


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """A headless Chromium."""
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        if os.environ.get("NETMORPH_REQUIRE_BROWSER") == "1":
            pytest.fail("Chromium is required here (NETMORPH_REQUIRE_BROWSER=1) and not found")
        pytest.skip("Chromium is not installed")
    sandbox = ["--no-sandbox"] if os.getuid() == 0 else []  # Chromium's sandbox refuses root
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=program, args=[*sandbox, "--disable-dev-shm-usage"]
        )
        yield browser
        browser.close()


@pytest.fixture
def page(chromium: Browser, stack: Stack) -> Iterator[Page]:
    """A page on the dashboard. Anything its console complains of fails the test."""
    context = chromium.new_context(
        base_url=stack.url, viewport={"width": 1280, "height": 900}, color_scheme="light"
    )
    page = context.new_page()
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on(
        "console",
        lambda message: (
            complaints.append(message.text) if message.type in ("error", "warning") else None
        ),
    )
    strangers: list[str] = []
    page.on(
        "request",
        lambda request: (
            strangers.append(request.url)
            if not request.url.startswith((stack.url, "blob:", "data:"))
            else None
        ),
    )
    yield page
    context.close()
    # Chromium reports a form that came back with its errors as a failed resource, too.
    assert [text for text in complaints if "422" not in text] == []
    assert strangers == [], "the dashboard needs nobody but the service"


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the screenshots go."""
    if folder := os.environ.get("NETMORPH_SCREENSHOTS"):
        Path(folder).mkdir(parents=True, exist_ok=True)
        return Path(folder)
    return tmp_path_factory.mktemp("pictures")


def sign_in(page: Page) -> None:
    page.goto("/")
    page.get_by_label("Key").fill(ADMIN_KEY)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="New search")).to_be_visible()


def tile(page: Page, name: str):  # type: ignore[no-untyped-def]
    """The value that a search's page shows under a name."""
    return page.locator(f".tiles div:has(> dt:text-is('{name}')) dd")


def drawn(page: Page, label: str) -> None:
    """Wait until a figure has lines."""
    figure = page.get_by_role("img", name=label)
    expect(figure.locator(".scatterlayer .trace").first).to_be_visible()


def test_a_search_from_the_form_to_the_download(page, stack, pictures):
    sign_in(page)
    page.get_by_label("Data set").select_option("digits")
    page.get_by_label("Trials", exact=True).fill("4")
    page.get_by_label("Name").fill("Digits of the morning")
    page.get_by_role("button", name="Start search").click()

    expect(page.get_by_role("heading", name="Digits of the morning")).to_be_visible()
    search_id = page.url.rpartition("/")[2]
    # nothing is loaded anew from here on: the page follows the search by itself
    page.evaluate("window.sameDocument = true")
    expect(tile(page, "State")).to_have_text(re.compile("running"), timeout=30_000)
    expect(tile(page, "Best so far")).to_contain_text("%", timeout=60_000)
    expect(tile(page, "State")).to_have_text(re.compile("completed"), timeout=180_000)
    expect(tile(page, "Test accuracy")).to_contain_text("%")
    expect(page.locator("#trials tbody tr")).to_have_count(5)  # and the final fit
    drawn(page, "validation accuracy by trial")
    drawn(page, "validation accuracy against seconds of training")
    assert page.evaluate("window.sameDocument") is True

    shown = tile(page, "Test accuracy").inner_text()
    found = stack.get(search_id)["final"]["test_metric"]
    assert f"{100 * found:.2f}" in shown
    page.screenshot(path=pictures / "search.png", full_page=True)

    with page.expect_download() as download:
        page.get_by_role("link", name="Download the network").click()
    assert download.value.failure() is None
    assert download.value.path().stat().st_size > 1000

    child = page.locator("#trials tbody tr:has(td:nth-child(5) a)")  # a trial with a parent
    child.first.get_by_role("link").first.click()
    expect(page.get_by_role("heading", name=re.compile(r"^Trial \d"))).to_be_visible()
    drawn(page, "loss and accuracy by epoch")
    expect(page.locator(".scroll.tall svg").first).to_be_visible()
    page.screenshot(path=pictures / "trial.png", full_page=True)

    page.get_by_role("link", name="Searches").click()
    expect(page.locator("tbody tr", has_text="Digits of the morning")).to_contain_text("completed")
    page.screenshot(path=pictures / "searches.png", full_page=True)
    page.emulate_media(color_scheme="dark")
    page.goto(f"/searches/{search_id}")
    drawn(page, "validation accuracy by trial")
    page.screenshot(path=pictures / "search-dark.png", full_page=True)


def test_pause_resume_stop(page, stack):
    sign_in(page)
    search_id = stack.search(budget={"trials": 50})
    page.goto(f"/searches/{search_id}")
    page.on("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Pause").click()
    expect(tile(page, "State")).to_have_text(re.compile("paus"))
    page.get_by_role("button", name="Resume").click()
    expect(tile(page, "State")).to_have_text(re.compile("running"))
    page.get_by_role("button", name="Stop").click()
    expect(tile(page, "State")).to_have_text(re.compile("stop|finish"))
    stack.until(lambda: stack.get(search_id)["ended_at"])


def test_the_form_says_what_is_wrong_and_keeps_what_was_typed(page):
    sign_in(page)
    page.get_by_label("Trials", exact=True).fill("minus three")
    page.get_by_label("Name").fill("<b>kept</b>")
    page.get_by_role("button", name="Start search").click()
    expect(page.locator(".error")).to_be_visible()
    expect(page.get_by_label("Trials", exact=True)).to_have_attribute("aria-invalid", "true")
    expect(page.get_by_label("Trials", exact=True)).to_have_value("minus three")
    expect(page.get_by_label("Name")).to_have_value("<b>kept</b>")


def test_a_narrow_screen_shows_all(page, stack):
    sign_in(page)
    page.set_viewport_size({"width": 390, "height": 800})
    for path in ("/", "/data-sets", "/workers"):
        page.goto(path)
        wide = page.evaluate("document.documentElement.scrollWidth")
        assert wide <= 390, f"{path} is {wide} pixels wide"
