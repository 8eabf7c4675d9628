"""Pages in a real browser, on the application without workers."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import product
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, Route, expect

from api import dashboard
from api.dashboard.search_pages import TABS
from api.models.searches import Search
from api.models.trials import Trial
from api.models.workers import Worker
from api.store import leases, results
from api.store.notifications import changed
from core.graph.roots import roots
from core.protocol.contracts.bounds import Bounds
from tests.api.background import ASYNC, Gate, upload
from tests.api.store.reports import LEASE
from tests.browser import chromium, page_of

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A headless Chromium."""
    with chromium() as browser:
        yield browser


@pytest.fixture
def page(browser: Browser, address: str) -> Iterator[Page]:
    """A page of nobody who is signed in."""
    with page_of(browser, address, viewport={"width": 1280, "height": 900}) as page:
        yield page


def test_the_reference_opens_and_sends_a_request_with_a_key(
    page: Page, person: Any, world: Any
) -> None:
    user = person()
    search = world.search(user.caller)
    page.goto("/docs")
    page.get_by_role("button", name="Authorize").click()
    dialog = page.locator(".modal-ux")
    dialog.get_by_role("textbox").fill(user.key)
    dialog.get_by_role("button", name="Apply credentials").click()
    dialog.get_by_role("button", name="Close").click()

    operation = page.locator("#operations-searches-list_searches_v1_searches_get")
    operation.locator(".opblock-summary-control").click()
    operation.get_by_role("button", name="Execute").click()

    answer = operation.locator(".live-responses-table .response").first
    expect(answer.locator(".response-col_status")).to_contain_text("200")
    expect(answer).to_contain_text(str(search))


def test_a_large_search_is_shown_in_pages_and_keeps_the_focus(
    page: Page, visitor: Any, world: Any, large: Any
) -> None:
    sign_in(page, visitor.key)
    page.goto(f"/searches/{large}")
    drawn = ".scatterlayer .trace"
    figure = page.get_by_role("img", name="validation accuracy by trial")
    expect(figure.locator(drawn)).not_to_have_count(0)
    page.get_by_role("link", name="Front").press("Enter")
    figure = page.get_by_role("img", name="validation accuracy against parameters")
    expect(figure.locator(drawn)).not_to_have_count(0)
    page.get_by_role("link", name="Trials").press("Enter")
    page.get_by_role("link", name="600–699 (best)").click()
    expect(page.locator("#trials tbody tr")).to_have_count(20)
    expect(page.locator("#trials tr.best")).to_contain_text("618")

    page.evaluate("window.sameDocument = true")
    link = page.locator("#trials").get_by_role("link", name="619", exact=True)
    link.focus()
    world.trial(large, status="running")
    with world.sessions.begin() as session:
        changed(session, large)
    expect(page.locator("#trials tbody tr")).to_have_count(21)
    expect(link).to_be_focused()
    assert page.evaluate("window.sameDocument") is True


def test_a_page_that_has_just_been_loaded_fetches_its_figures_alone(
    page: Page, visitor: Any, world: Any, large: Any
) -> None:
    sign_in(page, visitor.key)
    asked: list[str] = []
    start = f"/ui/searches/{large}/"
    page.on("request", lambda one: asked.append(one.url.partition(start)[2].partition("?")[0]))
    page.goto(f"/searches/{large}")
    expect(page.locator("[data-drawn]")).to_have_count(2)
    parts = [one for one in asked if one]
    assert sorted(parts) == ["events/stream", "figures/best-so-far", "figures/learning-curves"]

    with (
        page.expect_response(lambda one: one.url.endswith("/state")),
        world.sessions.begin() as session,
    ):
        changed(session, large)


def test_a_page_is_live_without_the_script_of_its_figures(
    page: Page, visitor: Any, world: Any, large: Any
) -> None:
    sign_in(page, visitor.key)
    page.route("**/plotly-*", lambda route: route.fulfill(body="", content_type="text/javascript"))
    page.goto(f"/searches/{large}")
    world.set(Search, large, name="another name")
    with world.sessions.begin() as session:
        changed(session, large)
    expect(page.get_by_role("heading", name="another name")).to_be_visible()


def test_a_legend_stays_above_its_figure_when_the_window_is_made_wider(
    page: Page, visitor: Any, large: Any
) -> None:
    sign_in(page, visitor.key)
    page.set_viewport_size({"width": 390, "height": 800})
    page.goto(f"/searches/{large}")
    figure = page.get_by_role("img", name="validation accuracy by trial")
    expect(figure.locator(".scatterlayer .trace")).not_to_have_count(0)
    page.set_viewport_size({"width": 800, "height": 800})
    page.wait_for_function(LEGEND_ABOVE, arg=figure.element_handle())


#: Whether a figure is wide and its legend ends where its points begin.
LEGEND_ABOVE = """(figure) => {
    const points = figure.querySelector(".nsewdrag").getBoundingClientRect();
    const legend = figure.querySelector(".legend").getBoundingClientRect();
    return points.width > 500 && legend.bottom <= points.top;
}"""


def test_ticks_and_the_focus_outlive_a_refresh(page: Page, visitor: Any, world: Any) -> None:
    for _ in "12":
        world.search(visitor.caller)
    sign_in(page, visitor.key)
    for box in page.get_by_role("checkbox").all():
        box.focus()
        box.press("Space")
    changed_search = world.search(visitor.caller)
    with world.sessions.begin() as session:
        changed(session, changed_search)
    expect(page.get_by_role("checkbox")).to_have_count(3)
    expect(page.get_by_role("checkbox", checked=True)).to_have_count(2)
    expect(page.get_by_role("checkbox").nth(2)).to_be_focused()
    page.get_by_role("button", name="Compare").press("Enter")
    expect(page.get_by_role("columnheader", name="a search")).not_to_have_count(0)


def test_a_worker_that_has_fallen_silent_is_shown_although_no_event_reports_it(
    page: Page, visitor: Any, world: Any
) -> None:
    box = world.worker("box")
    with world.sessions.begin() as session:
        columns = box.model_dump(exclude={"worker_id", "exports"})
        session.add(Worker(id=box.worker_id, **columns))
    sign_in(page, visitor.key)
    page.clock.install()
    with page.expect_response("**/ui/events/stream"):
        page.goto("/workers")
    state = page.locator("td .status")
    expect(state).to_have_text("idle")
    world.set(Worker, box.worker_id, seen_at=datetime.now(UTC) - timedelta(minutes=2))
    for _ in range(2):  # the first period may begin again when the stream opens
        page.clock.run_for(15_000)
    expect(state).to_have_text("silent")


def test_a_search_that_waits_for_a_worker_says_so_although_no_event_reports_it(
    page: Page, visitor: Any, world: Any
) -> None:
    search_id = world.search(visitor.caller)
    trial_id = world.trial(search_id)
    sign_in(page, visitor.key)
    page.clock.install()
    with page.expect_response(f"**/ui/searches/{search_id}/events/stream?*"):
        page.goto(f"/searches/{search_id}")
    expect(page.locator(".note")).to_have_count(0)
    world.set(Trial, trial_id, available_at=datetime.now(UTC) - timedelta(minutes=1))
    for _ in range(2):
        page.clock.run_for(30_000)
    expect(page.locator(".note")).to_have_text("Waits for a worker: none is connected")


def test_a_wrong_key_is_said_at_its_field_which_has_the_focus(
    browser: Browser, address: str
) -> None:
    page = browser.new_page(base_url=address)  # its console reports the 401, as it should
    page.goto("/sign-in")
    field = page.get_by_label("Key")
    field.fill("netmorph_wrong")
    field.press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("unknown or revoked")
    expect(field).to_be_focused()
    expect(field).to_have_attribute("aria-invalid", "true")
    page.close()


def test_an_upload_shows_its_progress_and_keeps_name_and_file_where_it_is_refused(
    page: Page, visitor: Any
) -> None:
    sign_in(page, visitor.key)
    page.goto("/data-sets")
    held: list[Route] = []
    page.route("**/ui/datasets", lambda route: held.append(route))
    page.evaluate("window.sameDocument = true")
    page.get_by_label("Name", exact=True).fill("my table")
    page.get_by_label("File,").set_input_files(
        {"name": "t.csv", "mimeType": "text/csv", "buffer": TABLE}
    )
    page.get_by_role("button", name="Upload").click()
    bar = page.get_by_role("progressbar", name="Uploaded")
    expect(bar).to_be_visible()
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator("#file-error")).to_have_text("The upload was cancelled")
    expect(bar).to_be_hidden()

    page.unroute("**/ui/datasets")
    page.get_by_label("Target column").fill("price")
    page.get_by_role("button", name="Upload").click()
    expect(page.locator("#target-error")).to_contain_text("has no column 'price'")
    expect(page.get_by_label("Target column")).to_be_focused()
    expect(page.get_by_label("Name", exact=True)).to_have_value("my table")
    assert page.evaluate("window.sameDocument") is True

    page.get_by_label("Target column").fill("c")
    page.get_by_role("button", name="Upload").click()
    expect(page.get_by_role("heading", name="How it was understood")).to_be_visible()


def test_an_upload_shows_the_steps_of_its_import(page: Page, visitor: Any, gate: Gate) -> None:
    sign_in(page, visitor.key)
    page.goto("/data-sets")
    page.get_by_label("Name", exact=True).fill("my table")
    page.get_by_label("File,").set_input_files(
        {"name": "t.csv", "mimeType": "text/csv", "buffer": TABLE}
    )
    page.get_by_label("Target column").fill("c")
    page.get_by_role("button", name="Upload").click()
    gate.wait_for_entry()
    said = page.locator(".upload").get_by_role("status")
    expect(said).to_contain_text("The file has arrived: reading the file.")
    send, cancel = (
        page.get_by_role("button", name=one, exact=True) for one in ("Upload", "Cancel")
    )
    expect(send).to_be_disabled()
    cancel.click()
    expect(page.locator("#file-error")).to_have_text("The import was cancelled")
    expect(cancel).to_be_hidden()

    send.click()
    gate.wait_for_entry()
    expect(cancel).to_be_visible()
    gate.open.set()
    expect(page.get_by_role("heading", name="How it was understood")).to_be_visible()


def test_the_page_of_data_sets_follows_imports_that_another_page_has_begun(
    page: Page, visitor: Any, gate: Gate
) -> None:
    headers = ASYNC | {"Authorization": f"Bearer {visitor.key}"}
    begun = [upload(visitor.http, headers=headers, name=name) for name in ("birds", "cats")]
    for _ in begun:
        gate.wait_for_entry()
    sign_in(page, visitor.key)
    page.goto("/data-sets")
    row = page.get_by_role("row", name="birds")
    expect(row).to_contain_text("reading the file")
    expect(row).to_contain_text("running")
    page.get_by_role("button", name="Cancel the import of cats").click()
    expect(page.get_by_role("heading", name="Data sets")).to_be_visible()
    expect(page.get_by_role("row", name="cats")).to_have_count(0)

    page.evaluate("window.sameDocument = true")
    gate.open.set()
    expect(page.get_by_role("link", name="birds")).to_be_visible()
    expect(page.get_by_role("columnheader", name="Import")).to_have_count(0)
    expect(page.get_by_role("link", name="cats")).to_have_count(0)
    assert page.evaluate("window.sameDocument") is True


def test_a_search_from_ones_own_network_is_put_together_and_previewed(
    page: Page, visitor: Any, world: Any
) -> None:
    network = world.network(visitor.caller)
    sign_in(page, visitor.key)
    page.goto("/submit")
    command, request = page.get_by_label("command"), page.get_by_label("request", exact=True)
    page.get_by_label("Keep its accuracy").check()
    page.get_by_label("Also in eight bits").check()
    page.get_by_label("Augmentation").select_option("examples as they are")
    expect(command).to_contain_text("--int8", timeout=60_000)
    page.get_by_role("button", name="Start search").click()
    expect(page.locator("#keep_accuracy-error")).to_contain_text("choose a network to start from")
    expect(page.get_by_label("Keep its accuracy")).to_be_checked()
    expect(page.get_by_label("Augmentation")).to_have_value("plain")

    page.get_by_label("Start from").select_option(str(network))
    expect(command).to_contain_text(f"--root {network}", timeout=60_000)
    expect(command).to_contain_text("--keep-accuracy")
    expect(command).to_contain_text("--no-augmentation")
    expect(request).to_contain_text('"keep_accuracy": true')
    page.get_by_role("button", name="Preview").click()
    expect(page.get_by_role("region", name="Preview")).to_contain_text("start from this network")
    expect(page.get_by_label("Also in eight bits")).to_be_checked()
    page.get_by_role("button", name="Start search").click()
    expect(page.get_by_role("heading", name="digits")).to_be_visible()


#: Two columns of numbers and one to predict.
TABLE = b"a,b,c\n" + b"".join(b"%d,%d,%d.5\n" % (n, n % 7, n % 5) for n in range(60))


def sign_in(page: Page, key: str) -> None:
    page.goto("/sign-in")
    page.get_by_label("Key").fill(key)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Searches")).to_be_visible()


def test_no_page_is_wider_than_its_screen_or_shuts_anybody_out(
    page: Page, visitor: Any, world: Any, do: Any
) -> None:
    """With long names; on a narrow screen the header has one line and rows become cards.

    axe-core finds no violation of WCAG 2.1, level AA, on any page; colours in both themes. Names
    stand where people would else read ids, and boxes to tick keep their size.
    """
    search = world.search(visitor.caller, cost="flops")
    world.set(Search, search, name="n" * 120)
    dataset = world.dataset(visitor.caller, name="d" * 120)
    architecture = roots(world.dataset_spec(), Bounds())[0].to_json()
    box = worker(world, do, search)
    trial = world.trial(search, architecture=architecture, worker="w" * 120)
    page.route("**/plotly-*", lambda route: route.fulfill(body=""))  # a second of work each time
    sign_in(page, visitor.key)
    for path in (
        "/", "/submit", f"/submit?like={search}", "/data-sets", "/workers", f"/workers/{box}",
        "/models", "/queue",
        "/settings", f"/settings/webhooks/{webhook(visitor)}", "/sign-in", "/docs",
        f"/data-sets/{dataset}", f"/trials/{trial}",
        f"/compare?search={search}&search={world.search(visitor.caller)}",
        f"/compare/trials?trial={trial}&trial={world.trial(search, parent_id=trial)}",
        *(f"/searches/{search}?tab={tab}" for tab in TABS),
    ):  # fmt: skip
        page.goto(path)
        themes = ("light", "dark") if path == "/docs" else ("light",)  # see the next test
        for theme, width in product(themes, (390, 800, 1280)):
            page.emulate_media(color_scheme=theme)
            page.set_viewport_size({"width": width, "height": 800})
            shown = page.evaluate(LAYOUT)
            assert shown["width"] <= width, path
            assert shown["header"] < 50, path
            assert width < 1000 or shown["hidden"] == 0, path
            assert shown["squeezed"] == [], path
        if path != "/docs":  # a page of Swagger UI
            assert page.evaluate(SHOWN_IDS) == [], path
            assert violations(page) == [], path


def test_a_dark_page_differs_in_its_colours_alone() -> None:
    """So that a page that fits in one theme fits in the other."""
    style = (Path(dashboard.__file__).parent / "static" / "netmorph.css").read_text()
    media = re.findall(r"@media[^{]*prefers-color-scheme[^{]*\{(.*?)\n\}", style, re.DOTALL)
    assert len(media) == style.count("prefers-color-scheme") > 0
    for block in media:
        rules = re.findall(r"([^{}]+)\{([^{}]*)\}", block)
        assert [selector.strip() for selector, _ in rules] == [":root"]
        values = rules[0][1].split(";")[:-1]
        assert all(re.fullmatch(r"\s*--[a-z0-9-]+: #[0-9a-f]{6}", value) for value in values)


def worker(world: Any, do: Any, search: Any) -> UUID:
    """A worker with a long name that has completed a trial and failed in another one."""
    box = world.worker("w" * 120)
    for status in ("completed", "failed"):
        trial = world.trial(search)
        held = do(leases.take, box, box.boot_id, LEASE, trial).held
        sent = world.result(held, status, reason="r" * 200, precision="bf16 channels-last")
        do(results.end_attempt, trial, sent, b"digest", 3)
    return UUID(str(box.worker_id))


def webhook(visitor: Any) -> str:
    """A webhook with a delivery and a long address."""
    url = f"https://hooks.invalid/{'u' * 200}"
    body = {"name": "h" * 120, "url": url, "events": ["search.completed"]}
    made: str = visitor.http.post("/v1/webhooks", json=body, headers=bearer(visitor)).json()["id"]
    visitor.http.post(f"/v1/webhooks/{made}:ping", headers=bearer(visitor))
    return made


def bearer(visitor: Any) -> dict[str, str]:
    return {"Authorization": f"Bearer {visitor.key}"}


def violations(page: Page) -> list[str]:
    """What axe-core finds wrong with a page, and with its colours in the dark."""
    page.emulate_media(color_scheme="light")
    found = Axe().run(page, options={"runOnly": WCAG}).response["violations"]
    page.emulate_media(color_scheme="dark")
    found += page.evaluate('axe.run({runOnly: ["color-contrast"]})')["violations"]
    return [f"{one['id']}: {node['html']}" for one in found for node in one["nodes"]]


#: The rules of axe-core that stand for WCAG 2.1, levels A and AA.
WCAG = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]


#: The width of a page, the height of its header, how much of its tables is out of sight, and the
#: boxes to tick that are smaller than they should be.
LAYOUT = """({
    width: document.documentElement.scrollWidth,
    header: document.querySelector("header.top")?.offsetHeight ?? 0,
    hidden: Math.max(0, ...[...document.querySelectorAll(".scroll:not(.tall)")]
        .map((one) => one.scrollWidth - one.clientWidth)),
    squeezed: [...document.querySelectorAll("input[type=checkbox], input[type=radio]")]
        .filter((one) => one.checkVisibility() && (one.offsetWidth < 16 || one.offsetHeight < 16))
        .map((one) => one.name),
})"""

#: Ids that people read: in the text of the page, beside commands, code and messages of errors.
SHOWN_IDS = """(() => {
    const main = document.querySelector("main").cloneNode(true);
    for (const one of main.querySelectorAll("pre, code, option, .detail")) one.remove();
    return main.textContent.match(/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f-]+/g) ?? [];
})()"""
