"""Markdown of the model card: a user's text without its markup, and tables."""

import re
from collections.abc import Iterable, Sequence


def plain(text: str) -> str:
    """A user's text with the characters escaped that Markdown or HTML would interpret."""
    return re.sub(r"([\\`*_{}\[\]<>()#+!|&~])", r"\\\1", " ".join(text.split()))


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """The lines of a table, an empty one behind it; the cells are Markdown already."""
    lines = [header, ["---"] * len(header), *rows]
    return [*(f"| {' | '.join(cells)} |" for cells in lines), ""]
