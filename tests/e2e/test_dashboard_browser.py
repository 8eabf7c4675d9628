"""The dashboard in a real browser.

`NETMORPH_SCREENSHOTS` names the folder for the screenshots, such as `docs/images`; they show a
longer search on more images.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, expect
from sklearn.datasets import load_digits

from netmorph.client import Client
from tests.browser import chromium, page_of
from tests.running_service import ADMIN_KEY, RunningService

pytestmark = pytest.mark.browser

TRIALS = 4 if "NETMORPH_SCREENSHOTS" in os.environ else 3  # a start and its children


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A headless Chromium."""
    with chromium() as browser:
        yield browser


@pytest.fixture
def page(browser: Browser, service: RunningService) -> Iterator[Page]:
    """A page of the dashboard."""
    with page_of(browser, service.url, viewport={"width": 1280, "height": 900}) as page:
        yield page


@pytest.fixture
def dataset(service: RunningService, tmp_path: Path) -> str:
    """The name of a data set whose networks are trained in a few seconds."""
    if "NETMORPH_SCREENSHOTS" in os.environ:
        return "digits"
    digits, path = load_digits(), tmp_path / "some.npz"
    np.savez(path, x=digits.images[:240].astype(np.uint8), y=digits.target[:240])
    with Client(service.url, ADMIN_KEY) as client:
        return client.add_dataset(path, "some digits")["name"]


@pytest.fixture(scope="module")
def screenshots(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder for the screenshots."""
    if folder := os.environ.get("NETMORPH_SCREENSHOTS"):
        Path(folder).mkdir(parents=True, exist_ok=True)
        return Path(folder)
    return tmp_path_factory.mktemp("pictures")


def sign_in(page: Page) -> None:
    page.goto("/")
    page.get_by_label("Key").fill(ADMIN_KEY)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Searches")).to_be_visible()


def tile(page: Page, name: str):  # type: ignore[no-untyped-def]
    """The value that the page of a search shows under a name."""
    return page.locator(f".tiles div:has(> dt:text-is('{name}')) dd")


def wait_for_lines(page: Page, label: str) -> None:
    """Wait until a figure has lines."""
    figure = page.get_by_role("img", name=label)
    expect(figure.locator(".scatterlayer .trace").first).to_be_visible()


def test_a_search_from_the_form_to_the_download(page, service, dataset, screenshots):
    sign_in(page)
    page.get_by_role("link", name="New search").click()
    page.get_by_label("Data set").select_option(label=dataset)
    page.get_by_label("Trials", exact=True).fill(str(TRIALS))
    page.get_by_label("Name").fill("Digits of the morning")
    if "NETMORPH_SCREENSHOTS" not in os.environ:
        page.get_by_label("Parameters, at most").fill("10000")
    page.get_by_role("button", name="Start search").click()

    expect(page.get_by_role("heading", name="Digits of the morning")).to_be_visible()
    search_id = page.url.rpartition("/")[2]
    # the page is not loaded again from here on: it follows the search by itself
    page.evaluate("window.sameDocument = true")
    expect(tile(page, "State")).to_have_text(re.compile("running"), timeout=30_000)
    expect(tile(page, "Best so far")).to_contain_text("%", timeout=60_000)
    expect(tile(page, "State")).to_have_text(re.compile("completed"), timeout=180_000)
    expect(tile(page, "Test accuracy")).to_contain_text("%")
    wait_for_lines(page, "validation accuracy by trial")
    wait_for_lines(page, "validation accuracy against seconds of training")
    assert page.evaluate("window.sameDocument") is True

    shown = tile(page, "Test accuracy").inner_text()
    found = service.get(search_id)["final"]["test_metric"]
    assert f"{100 * found:.2f}" in shown
    page.screenshot(path=screenshots / "search.png", full_page=True)

    with page.expect_download() as download:
        page.get_by_role("link", name="Download the network").click()
    assert download.value.failure() is None
    assert download.value.path().stat().st_size > 1000

    page.get_by_role("link", name="Trials").click()
    expect(page.locator("#trials tbody tr")).to_have_count(TRIALS + 1)  # and the final fit
    child = page.locator("#trials tbody tr:has(td:nth-child(5) a)")  # a trial with a parent
    child.first.get_by_role("link").first.click()
    expect(page.get_by_role("heading", name=re.compile(r"^Trial \d"))).to_be_visible()
    wait_for_lines(page, "loss and accuracy by epoch")
    expect(page.locator(".scroll.tall svg").first).to_be_visible()
    page.screenshot(path=screenshots / "trial.png", full_page=True)

    page.get_by_role("link", name="Searches").click()
    expect(page.locator("tbody tr", has_text="Digits of the morning")).to_contain_text("completed")
    page.emulate_media(color_scheme="dark")
    page.goto(f"/searches/{search_id}")
    wait_for_lines(page, "validation accuracy by trial")


def test_pause_resume_stop(page, service):
    sign_in(page)
    search_id = service.search(budget={"trials": 50})
    page.goto(f"/searches/{search_id}")
    page.on("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Pause").click()
    expect(tile(page, "State")).to_have_text(re.compile("paus"))
    page.get_by_role("button", name="Resume").click()
    expect(tile(page, "State")).to_have_text(re.compile("running"))
    page.get_by_role("button", name="Stop").click()
    expect(tile(page, "State")).to_have_text(re.compile("stop|finish"))
    service.wait_until(lambda: service.get(search_id)["ended_at"])


def test_the_form_shows_what_is_wrong_and_keeps_the_input(page):
    sign_in(page)
    page.get_by_role("link", name="New search").click()
    page.get_by_label("Trials", exact=True).fill("minus three")
    page.get_by_label("Name").fill("<b>kept</b>")
    page.get_by_role("button", name="Start search").click()
    expect(page.locator(".error")).to_be_visible()
    expect(page.get_by_label("Trials", exact=True)).to_have_attribute("aria-invalid", "true")
    expect(page.get_by_label("Trials", exact=True)).to_have_value("minus three")
    expect(page.get_by_label("Name")).to_have_value("<b>kept</b>")
