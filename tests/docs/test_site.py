"""The documentation site: it builds without a warning, has every page, and requests nothing."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from docs.site import expanded, page_names

ROOT = Path(__file__).parents[2]
#: What a page of the site may load: an address here would be a request to somebody else.
LOADED = re.compile(r'<(?:link|script|img|iframe|source)\b[^>]*\b(?:href|src)="([^"]*)"')


class _Config(yaml.SafeLoader):
    """Reads `mkdocs.yml`, whose tags for Python names mean nothing here."""


_Config.add_multi_constructor("tag:yaml.org,2002:python/", lambda *_: None)


@pytest.fixture(scope="module")
def config() -> dict[str, object]:
    return yaml.load((ROOT / "mkdocs.yml").read_text(), _Config)


def entries(nav: object) -> list[str]:
    if isinstance(nav, str):
        return [nav]
    parts = nav.values() if isinstance(nav, dict) else nav
    return [name for part in parts for name in entries(part)]


def test_every_page_is_in_the_navigation_or_left_out_for_a_reason(config):
    pages = page_names()
    listed = entries(expanded(config["nav"], pages))
    left_out = re.compile("|".join(
        re.escape(line.removeprefix("/")).replace(r"\*", "[^/]*")
        for line in config["not_in_nav"].split()
    ))  # fmt: skip
    missing = [page for page in pages if page not in listed and not left_out.fullmatch(page)]
    assert not missing, (
        f"docs/{missing[0]} is not in the navigation of the site. Move it to docs/how-to, "
        "docs/operations, docs/reference, docs/explanation or docs/results, whose pages are listed "
        "by themselves; or name it under `nav` in mkdocs.yml; or, if it shall have no entry, under "
        "`not_in_nav` with the reason as a comment"
    )
    assert len(listed) == len(set(listed)), "a page has two entries under `nav` in mkdocs.yml"


def test_the_site_builds_strictly_and_loads_nothing_from_elsewhere(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", tmp_path],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    pages = list(tmp_path.rglob("*.html"))
    assert len(pages) > len(page_names())
    loaded = {address for page in pages for address in LOADED.findall(page.read_text())}
    assert not {one for one in loaded if re.match(r"(?:\w+:)?//", one)}
    assert (tmp_path / "search" / "search_index.json").stat().st_size > 100_000
