"""Headers that only inform, read as values: an unreadable one of any length counts as absent.

An `Idempotency-Key` is not among them: an invalid one is refused (`api.edge.dependencies`).
"""

import re
from urllib.parse import urlsplit

_VERSION = re.compile(r'\s*(?:W/)?"?([0-9]{1,19})"?\s*')


def version_in(header: str | None) -> int | None:
    """The version of a search that an `If-None-Match` or `Last-Event-ID` names; None without.

    ASCII digits alone: `str.isdigit` also holds for "²", which `int` refuses.
    """
    found = _VERSION.fullmatch(header or "")
    return int(found[1]) if found else None


def host_in(origin: str) -> str | None:
    """The host (with its port) that an `Origin` names; None where it names none."""
    try:
        return urlsplit(origin).netloc or None
    except ValueError:  # such as "http://[", whose bracket opens no IPv6 address
        return None
