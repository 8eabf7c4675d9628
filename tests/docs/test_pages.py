"""What the pages name is there: files, links, the files of the hop lists."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
#: Records of the past name files as they were then.
DATED = {ROOT / "docs" / "log.md", ROOT / "CHANGELOG.md"}
PAGES = sorted({*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")})
LIVING = [page for page in PAGES if page not in DATED]
ROOMS = (
    "api",
    "benchmarks",
    "charts",
    "core",
    "deploy",
    "docs",
    "migrations",
    "netmorph",
    "tests",
    "worker",
)
PATH = re.compile(rf"`((?:{'|'.join(ROOMS)})/[\w./-]*)`")
LINK = re.compile(r"\]\((?!https?:|#)([^)#]+)(?:#[^)]*)?\)")
LIST = re.compile(
    r"^### (?P<title>From [^:\n]+): (?P<count>\d+) files\n(?P<body>.*?)(?=^#|\Z)", re.M | re.S
)


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", LIVING, ids=name_of)
def test_every_file_that_a_page_names_is_there(page):
    added = set(re.findall(r'title="([^"]+)"', page.read_text()))  # by the page itself
    missing = {path for path in PATH.findall(page.read_text()) if not (ROOT / path).exists()}
    assert not missing - added, f"{name_of(page)} names files that are not there (any more)"


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_link_of_a_page_leads_somewhere(page):
    targets = LINK.findall(page.read_text())
    assert [one for one in targets if not (page.parent / one).exists()] == []


def test_every_image_is_on_a_page():
    text = "".join(page.read_text() for page in PAGES)
    assert [
        one.name for one in (ROOT / "docs/images").iterdir() if f"images/{one.name})" not in text
    ] == []


def hop_lists() -> list[re.Match[str]]:
    found = list(LIST.finditer((ROOT / "docs" / "architecture.md").read_text()))
    assert len(found) == 2
    return found


@pytest.mark.parametrize("hops", hop_lists(), ids=lambda match: match["title"])
def test_a_hop_list_has_as_many_files_as_its_heading_says(hops):
    numbers = [int(one) for one in re.findall(r"^(\d+)\. `[\w./]+\.py`: ", hops["body"], re.M)]
    assert numbers == list(range(1, int(hops["count"]) + 1))


def test_every_page_that_the_code_names_is_there():
    named = {
        (name_of(path), page)
        for room in ROOMS
        for path in (ROOT / room).rglob("*.py")
        for page in re.findall(r"docs/[\w/-]+\.md", path.read_text())
    }
    missing = [one for one in named if not (ROOT / one[1]).exists()]
    assert named
    assert not missing, "the first names the second, which is not there"


def test_a_measurement_takes_one_line_of_the_log():
    rows = [line for line in (ROOT / "docs" / "log.md").read_text().splitlines() if "|" in line]
    long = [row for row in rows if len(row) > 300]
    assert not long, "move the details to a page of docs/results and link it"


@pytest.mark.parametrize("page", sorted((ROOT / "docs" / "decisions").glob("*.md")), ids=name_of)
def test_a_decision_takes_at_most_a_page(page):
    text = page.read_text()
    assert len(text.split()) <= 550, "move the evidence to a page of docs/results and link it"
    for part in ("**Context.**", "**Decision.**", "**Consequences.**", "**Alternatives.**"):
        assert part in text
