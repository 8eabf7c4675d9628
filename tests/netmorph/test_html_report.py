"""The report of a search is one file that loads nothing and runs nothing."""

import json
from html.parser import HTMLParser
from typing import Any

import httpx

from netmorph import html_report
from netmorph.client import Client
from tests.netmorph.samples import COMPLETE, NEW, TRIALS

EVIL = "</pre><script src=//x></script>"
FIGURE = {
    "data": [{"x": [0, 2], "y": [0.9, 0.95], "mode": "markers", "name": "trials"}],
    "layout": {"xaxis": {}, "yaxis": {"tickformat": ".1%"}},
}


class Page(HTMLParser):
    """The tags, addresses and text of a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.text += data


def made(search: dict[str, Any], trials: list[dict[str, Any]]) -> Page:
    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/trials"):
            return httpx.Response(200, json={"items": trials, "next_cursor": None})
        return httpx.Response(200, json=FIGURE if trials else {**FIGURE, "data": []})

    transport = httpx.MockTransport(answer)
    with Client("http://127.0.0.1:1", "netmorph_x", transport=transport) as client:
        rows = [("classes", f"2: a, {EVIL}")]
        return Page(html_report.page(client, search, rows, {"name": EVIL}))  # type: ignore[arg-type]


def test_a_report_has_the_outcome_first_and_loads_nothing() -> None:
    search = COMPLETE | {"name": EVIL, "cost": "flops", "training": {"epochs": 5, "patience": None}}
    search |= {"bounds": {"morphisms": ["widen", "deepen"], "parameters": 9000}}
    page = made(search, TRIALS)
    text = " ".join(page.text.split())
    order = ["Outcome", "97.00 % of 360 examples", "Best accuracy so far", "accuracy and flops",
             "Learning curves", "Predicted and observed",
             "Lineage of the winner", "trial 2: widen convolution 1", "Settings", "epochs 5",
             "morphisms widen and deepen, parameters 9000",
             "Data set", "Trials nostatus", "2,345,678", "Do it again"]  # fmt: skip
    positions = [text.index(words) for words in order]
    assert positions == sorted(positions)
    assert page.tags.count("svg") == 4
    assert not {"script", "link", "img", "iframe"} & {*page.tags}
    assert not [name for name, _ in page.attributes if name in ("src", "href") or name[:2] == "on"]
    assert text.count(EVIL) == 4  # title, heading, class and request: as text
    assert json.dumps({"name": EVIL}, indent=2) in page.text


def test_a_report_of_a_search_that_has_not_begun_says_so() -> None:
    page = made(NEW, [])
    assert "svg" not in page.tags
    assert "No trial has begun." in page.text
    assert "None" not in page.text
