"""Measures the pages of a large search: in the service, and in a real Chromium.

`python -m benchmarks.dashboard [--trials 1000] [--epochs 50] [--repeats 10] [--tabs 200]`

An API process on private servers shows a search that runs and one that has ended. `server` has for
each page the CPU time of the API and of PostgreSQL, medians in milliseconds: of its first answer
with all that the page then fetches, of a refresh after a change, and of one after no change; and
the bytes that are sent. `browser` has, in seconds, when the page has its text (`paint`), when it is
complete with all figures drawn (`interactive`; `cold` is the same for a browser that has none of
our files), and the CPU time of all processes of Chromium. `streams` is about open pages that wait
for changes: the memory that all of them take, and the CPU time of the API for one change. CPU times
depend much less than those on the clock on what else the machine does. Linux only.
"""

import argparse
import asyncio
import contextlib
import re
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from html import unescape
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import psutil
from playwright.sync_api import BrowserContext, Page, sync_playwright

from api import db
from api.load.measure import Service, service
from api.load.options import Load
from api.store.notifications import changed
from benchmarks import reporting
from benchmarks.dashboard_rows import Prepared, prepare, raise_version
from benchmarks.load import servers
from netmorph.embedded import EmbeddedPostgres

TABS = ("overview", "trials", "lineage", "front", "surrogate", "log")
CHROMIUM = ("/usr/bin/chromium", "/usr/bin/chromium-browser")
#: What a page fetches at each change, and what a page of a search fetches when it has been loaded.
_PARTS = re.compile(r'data-(?:fragment|figure)="([^"]+)"')
_FIGURES = re.compile(r'data-figure="([^"]+)"')
_NANOSECONDS = 1e9
_COMPILED = 3  # visits after which Chromium has kept what it compiled
_WAIT = 120_000  # milliseconds for a page on a machine that is very busy
#: Milliseconds until the page is complete and its figures are drawn; 0 before.
_INTERACTIVE = """() => {
    const drawn = [...document.querySelectorAll("[data-figure]")].every((one) => one.dataset.drawn);
    if (document.readyState !== "complete" || !drawn) return 0;
    return (window.measured ??= performance.now());
}"""
_PAINT = """() => performance.getEntriesByName("first-contentful-paint")[0]?.startTime ?? 0"""


def measure(options: argparse.Namespace) -> reporting.Result:
    """Serve the searches, and measure their pages."""
    trials, repeats, tabs = (
        (60, 2, 20) if options.quick else (options.trials, options.repeats, options.tabs)
    )
    few = Load(workers=1, searches=1, seconds=1.0, offered=1.0)
    with servers() as (settings, postgres), service(settings, few) as on:
        made = prepare(on.engine, trials, options.epochs)
        pages = _addresses(made)
        with _visitor(on, made) as http:
            asked = _Server(on, postgres, http, made.live)
            found = {name: asked.measure(path, repeats) for name, path in pages.items()}
            streams = asyncio.run(_streams(on, made, http.cookies, tabs))
        browser = None if options.no_browser else _browser(on, made, pages, repeats)
        return {
            "trials": trials,
            "epochs": options.epochs,
            "server": found,
            "browser": browser,
            "streams": streams,
        }


def _addresses(made: Prepared) -> dict[str, str]:
    """The measured pages by name."""
    search = f"/searches/{made.live}"
    pages = {"overview": search} | {tab: f"{search}?tab={tab}" for tab in TABS[1:]}
    pages["lineage of all"] = f"{search}?tab=lineage&lineage=all"
    pages["compare"] = f"/compare?search={made.live}&search={made.ended}"
    return pages


# --- the service ------------------------------------------------------------------------------


def cpu_times(pids: Sequence[int]) -> dict[tuple[int, str], float]:
    """Seconds of CPU time by process and thread, to the nanosecond."""
    found = {}
    for pid in pids:
        for file in Path(f"/proc/{pid}/task").glob("*/schedstat"):
            with contextlib.suppress(OSError):  # the thread has ended
                found[pid, file.parent.name] = int(file.read_text().split()[0]) / _NANOSECONDS
    return found


def spent(before: Mapping[tuple[int, str], float], after: Mapping[tuple[int, str], float]) -> float:
    """The seconds between two readings; a thread that has ended meanwhile is left out."""
    return sum(seconds - before.get(key, 0.0) for key, seconds in after.items())


@contextlib.contextmanager
def _visitor(on: Service, made: Prepared) -> Iterator[httpx.Client]:
    """A client that is signed in."""
    address = f"http://127.0.0.1:{on.ports[0]}"
    with httpx.Client(base_url=address, timeout=300, trust_env=False) as http:
        assert http.post("/sign-in", data={"key": made.key}).status_code == httpx.codes.SEE_OTHER
        yield http


class _Server:
    """Measures what pages cost the service."""

    def __init__(
        self, on: Service, postgres: EmbeddedPostgres, http: httpx.Client, search_id: UUID
    ) -> None:
        self._on = on
        self._postgres = postgres
        self._http = http
        self._search_id = search_id

    def measure(self, path: str, repeats: int) -> dict[str, Any]:
        """The costs of a page, in milliseconds and bytes."""
        page = self._http.get(path).text
        parts = [unescape(one) for one in _PARTS.findall(page)]
        is_new = "data-version=" in page  # its other parts are as they will be fetched
        more = [unescape(one) for one in _FIGURES.findall(page)] if is_new else parts
        tags: dict[str, str] = {}
        found = {
            "requests": len(parts),
            **self._times("first", repeats, lambda: self._fetch([path, *more], {})),
        }
        self._fetch(parts, tags)
        found |= self._times("refresh", repeats, lambda: self._fetch(parts, tags), self._change)
        return found | self._times("unchanged", repeats, lambda: self._fetch(parts, tags))

    def _change(self) -> None:
        raise_version(self._on.engine, self._search_id)

    def _times(
        self,
        name: str,
        repeats: int,
        work: Callable[[], int],
        before: Callable[[], None] | None = None,
    ) -> dict[str, float]:
        """Medians of the CPU time of the API and of PostgreSQL, and the bytes."""
        api, database, sent = [], [], 0
        for _ in range(repeats):
            if before:
                before()
            began = self._readings()
            sent = work()
            ended = self._readings()
            for times, first, last in zip((api, database), began, ended, strict=True):
                times.append(1e3 * spent(first, last))
        return {
            f"{name}_ms": statistics.median(api),
            f"{name}_postgres_ms": statistics.median(database),
            f"{name}_bytes": sent,
        }

    def _readings(self) -> tuple[dict[tuple[int, str], float], ...]:
        assert self._postgres.process is not None
        backends = psutil.Process(self._postgres.process.pid).children()
        api = [one.pid for one in self._on.processes]
        return cpu_times(api), cpu_times([one.pid for one in backends])

    def _fetch(self, paths: Sequence[str], tags: dict[str, str]) -> int:
        """Fetch these as an open page does, one after the other; the bytes that were sent."""
        sent = 0
        for path in paths:
            known = {"If-None-Match": tags[path]} if path in tags else {}
            with self._http.stream("GET", path, headers=known) as answer:
                sent += sum(len(part) for part in answer.iter_raw())
            assert answer.status_code in (httpx.codes.OK, httpx.codes.NOT_MODIFIED), path
            if "etag" in answer.headers:
                tags[path] = answer.headers["etag"]
        return sent


async def _streams(
    on: Service, made: Prepared, cookies: httpx.Cookies, count: int
) -> dict[str, float]:
    """What open pages cost that wait for changes of the search."""
    (process,) = on.processes
    cookie = "; ".join(f"{name}={value}" for name, value in cookies.items())
    request = (
        f"GET /ui/searches/{made.live}/events/stream HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        f"Accept: text/event-stream\r\nCookie: {cookie}\r\n\r\n"
    )
    before = process.memory_info().rss
    readers = []
    for _ in range(count):
        reader, writer = await asyncio.open_connection("127.0.0.1", on.ports[0])
        writer.write(request.encode())
        readers.append((reader, writer))
    await asyncio.gather(*(reader.readuntil(b"event: change") for reader, _ in readers))
    taken = process.memory_info().rss - before
    began = cpu_times([process.pid])
    started = time.monotonic()
    with db.sessions(on.engine).begin() as session:
        changed(session, made.live)
    await asyncio.gather(*(reader.readuntil(b"event: change") for reader, _ in readers))
    found = {
        "tabs": count,
        "memory_mb": taken / 1e6,
        "change_ms": 1e3 * spent(began, cpu_times([process.pid])),
        "change_until_all_know_ms": 1e3 * (time.monotonic() - started),
    }
    for _, writer in readers:
        writer.close()
    return found


# --- the browser ------------------------------------------------------------------------------


def _browser(
    on: Service, made: Prepared, pages: Mapping[str, str], repeats: int
) -> dict[str, Any] | None:
    """The times of pages in Chromium; None where it is not installed."""
    program = next((one for one in CHROMIUM if Path(one).exists()), None)
    if program is None:
        return None
    address = f"http://127.0.0.1:{on.ports[0]}"
    found = {}
    with sync_playwright() as playwright:
        for name, path in pages.items():
            with (
                tempfile.TemporaryDirectory() as profile
            ):  # with one, Chromium keeps what it compiled
                context = playwright.chromium.launch_persistent_context(
                    profile,
                    executable_path=program,
                    args=["--no-sandbox", "--disable-dev-shm-usage"],
                    base_url=address,
                    viewport={"width": 1400, "height": 900},
                )
                found[name] = _page_times(_signed_in(context, made), path, repeats)
                context.close()
    return found


def _signed_in(context: BrowserContext, made: Prepared) -> Page:
    page = context.new_page()
    page.set_default_timeout(_WAIT)
    page.goto("/sign-in")
    page.get_by_label("Key").fill(made.key)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_load_state()
    return page


def _page_times(page: Page, path: str, repeats: int) -> dict[str, float]:
    cold, *_ = (_load(page, path)["interactive"] for _ in range(_COMPILED))
    times = [_load(page, path) for _ in range(repeats)]
    medians = {name: statistics.median(one[name] for one in times) for name in times[0]}
    return {"cold_s": cold} | {f"{name}_s": value for name, value in medians.items()}


def _load(page: Page, path: str) -> dict[str, float]:
    """Seconds until the page has its text, and until it is complete; CPU time of Chromium."""
    page.goto("/settings")  # a page without figures
    began = cpu_times(_chromium())
    page.goto(path, wait_until="commit")
    interactive = page.wait_for_function(_INTERACTIVE).json_value()
    taken = spent(began, cpu_times(_chromium()))
    return {"paint": page.evaluate(_PAINT) / 1e3, "interactive": interactive / 1e3, "cpu": taken}


def _chromium() -> list[int]:
    """The processes of the browser."""
    children = psutil.Process().children(recursive=True)
    found = []
    for one in children:
        with contextlib.suppress(psutil.NoSuchProcess):
            if "chrom" in one.name():
                found.append(one.pid)
    return found


def main() -> None:
    """Parse the options, measure and print."""
    parser = reporting.parser(__doc__)
    parser.add_argument("--trials", type=int, default=1000, help="completed trials of a search")
    parser.add_argument("--epochs", type=int, default=50, help="epochs of a trial")
    parser.add_argument("--repeats", type=int, default=10, help="measurements of each page")
    parser.add_argument("--tabs", type=int, default=200, help="open pages that wait for changes")
    parser.add_argument("--no-browser", action="store_true", help="measure the service alone")
    reporting.run(measure, parser.parse_args())


if __name__ == "__main__":
    main()
