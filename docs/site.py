"""Hooks of the documentation site: patterns in its navigation, and links that leave `docs/`.

MkDocs calls them by name (`hooks` in `mkdocs.yml`). `README.md` is the first page. Other files of
the repository that a page links to, such as an example, are pages or files of the site as well.
"""

import os
import re
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
HOME = {ROOT / "README.md": "index.md"}
DECISIONS = "decisions/index.md"
LINK = re.compile(r"(?<=\]\()(?!\w+:|#)(?P<path>[^)\s#]+)(?=#[^)]*\)|\))")


# --- navigation ---------------------------------------------------------------------------------


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Replace each pattern of the navigation by the pages that it stands for."""
    assert config.nav is not None
    config.nav = expanded(config.nav, page_names())
    return config


def page_names() -> list[str]:
    """The pages under `docs/`, as `mkdocs.yml` names them."""
    return sorted(path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md"))


def expanded(nav: Any, pages: list[str]) -> Any:
    """The navigation; a pattern stands for the pages that have no entry or narrower pattern."""
    entries = list(_entries(nav))
    patterns = sorted((one for one in entries if "*" in one), key=len, reverse=True)
    taken, found = set(entries), {}
    for pattern in patterns:
        found[pattern] = [page for page in pages if fnmatch(page, pattern) and page not in taken]
        taken.update(found[pattern])
    return _replaced(nav, found)


def _entries(nav: Any) -> Iterator[str]:
    """The pages and patterns of a part of the navigation."""
    if isinstance(nav, str):
        yield nav
    for part in nav.values() if isinstance(nav, dict) else nav if isinstance(nav, list) else ():
        yield from _entries(part)


def _replaced(nav: Any, found: dict[str, list[str]]) -> Any:
    if isinstance(nav, dict):
        return {title: _replaced(part, found) for title, part in nav.items()}
    if isinstance(nav, list):
        parts = [found.get(part, [part]) if isinstance(part, str) else [part] for part in nav]
        return [_replaced(part, found) for several in parts for part in several]
    return nav


# --- links --------------------------------------------------------------------------------------


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are not in `docs/`, and a list of the decisions."""
    todo = {ROOT / "README.md", ROOT / "CHANGELOG.md", *DOCS.rglob("*.md")}
    done: set[Path] = set()
    while todo:
        path = todo.pop()
        done.add(path)
        if not path.is_relative_to(DOCS):
            files.append(File.generated(config, name_of(path), abs_src_path=str(path)))
        todo |= set(_links_of(path)) - done
    files.append(File.generated(config, DECISIONS, content=decisions()))
    return files


def on_page_markdown(markdown: str, page: Page, **_: Any) -> str:
    """Let the links of a page lead to pages of the site."""
    if page.file.abs_src_path is None:
        return markdown
    source, folder = Path(page.file.abs_src_path), PurePosixPath(page.file.src_uri).parent

    def moved(match: re.Match[str]) -> str:
        return os.path.relpath(name_of(_target(source, match["path"])), folder)

    return LINK.sub(moved, markdown)


def name_of(path: Path) -> str:
    """The name of a file of the repository within the site."""
    if path.is_dir():
        path /= "index.md"
    if path.is_relative_to(DOCS):
        return path.relative_to(DOCS).as_posix()
    return HOME.get(path, f"repository/{path.relative_to(ROOT).as_posix()}")


def decisions() -> str:
    """A page that lists the records of decisions."""
    records = sorted(DOCS.glob("decisions/*.md"))
    titles = [path.read_text(encoding="utf-8").partition("\n")[0] for path in records]
    lines = [
        f"- [{title.removeprefix('# ')}]({path.name})"
        for title, path in zip(titles, records, strict=True)
    ]
    head = "# Decisions\n\nWhy things are as they are: a page for each decision that a reader"
    return f"{head} would question.\n\n" + "\n".join(lines) + "\n"


def _links_of(path: Path) -> Iterator[Path]:
    """The files that a page links to; none of a file that is no page."""
    if path.suffix == ".md":
        for match in LINK.finditer(path.read_text(encoding="utf-8")):
            target = _target(path, match["path"])
            if target.is_file():
                yield target


def _target(source: Path, link: str) -> Path:
    return Path(os.path.normpath(source.parent / link))
