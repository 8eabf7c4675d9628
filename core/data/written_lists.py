"""Lists of names written as text, as Python and JSON write them: `['cat', 'dog']`."""

import json
import re

_BRACKETS = {"[": "]", "(": ")", "{": "}"}
#: A name in quotation marks of either kind, or without. No part of a text is read twice.
_ITEM = re.compile(
    r"""\s*+(?:(?P<double>"(?:[^"\\]++|\\.)*+")|'(?P<single>(?:[^'\\]++|\\.)*+)'"""
    r"""|(?P<plain>[^\s'",\[\](){}][^'",\[\](){}]*+))\s*+(?:,\s*+|$)""",
    re.DOTALL,
)


def names_in(text: str) -> list[str] | None:
    """The names in a written list; None where the text is no such list."""
    text = text.strip()
    if len(text) < 2 or _BRACKETS.get(text[0]) != text[-1]:
        return None
    inner, names, start = text[1:-1].strip(), list[str](), 0
    while start < len(inner):
        if (found := _ITEM.match(inner, start)) is None:
            return None
        if (name := _name(found)) is None:
            return None
        names.append(name)
        start = found.end()
    return names


def written(names: list[str]) -> str:
    """A list of names as text that `names_in` reads."""
    return json.dumps(names, ensure_ascii=False)


def _name(found: re.Match[str]) -> str | None:
    if found["double"] is not None:
        try:
            return str(json.loads(found["double"])).strip()
        except ValueError:
            return None
    if found["single"] is not None:
        return re.sub(r"\\(['\\])", r"\1", found["single"]).strip()
    return found["plain"].strip()
