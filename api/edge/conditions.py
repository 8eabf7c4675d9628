"""Requests that depend on what the client has already (RFC 9110, 13), and parts of files (14)."""

import re
from http import HTTPStatus

from fastapi import HTTPException
from starlette.datastructures import Headers

_TAG = re.compile(r'\s*(?P<weak>W/)?(?P<tag>"[\x21\x23-\x7e\x80-\xff]*")\s*(?:,|$)')
_RANGE = re.compile(r"bytes\s*=\s*(?P<first>[0-9]*)\s*-\s*(?P<last>[0-9]*)\s*", re.IGNORECASE)
_LONGEST = 18  # digits of a position; longer ones are of no file


def names(header: str, tag: str, *, strong: bool = False) -> bool:
    """Whether the list of entity tags in a header has this one; `*` has any.

    Tags are compared without their mark of weakness, with `strong` only those without it. An
    unreadable list counts up to its first fault.
    """
    if header.strip() == "*":
        return True
    found = False
    position = 0
    while not found and (one := _TAG.match(header, position)) is not None:
        is_comparable = not strong or not (one["weak"] or tag.startswith("W/"))
        found = is_comparable and one["tag"] == tag.removeprefix("W/")
        position = one.end()
    return found


def is_known(headers: Headers, tag: str) -> bool:
    """Whether the client has the content with this tag, so that 304 is the answer."""
    return names(", ".join(headers.getlist("if-none-match")), tag)


def require_match(headers: Headers, tag: str) -> None:
    """Raise 412 where the client wants another content than that with this tag."""
    wanted = ", ".join(headers.getlist("if-match"))
    if wanted and not names(wanted, tag, strong=True):
        raise HTTPException(
            HTTPStatus.PRECONDITION_FAILED,
            f"the content has changed: found the ETag {tag}, If-Match expects {wanted[:80]}; "
            "get it again",
            {"ETag": tag},
        )


def requested_range(headers: Headers, tag: str, size: int) -> range | None:
    """The bytes of a file that are requested; None for all of them. Raises 416 for none of them.

    A range is of the file with the tag in `If-Range`; for another file it does not count. Of
    several ranges, of other units and of what cannot be read the answer is the whole file, which
    the standard allows.
    """
    only_if = headers.get("if-range")
    found = _RANGE.fullmatch(headers.get("range", ""))
    if found is None or (only_if is not None and only_if.strip() != tag):
        return None
    first, last = found["first"][:_LONGEST], found["last"][:_LONGEST]
    if (not first and not last) or (first and last and int(first) > int(last)):
        return None
    start = int(first) if first else max(0, size - int(last))
    end = min(size, int(last) + 1) if first and last else size
    if start >= end:
        raise _unsatisfiable(headers["range"], size)
    return range(start, end)


def _unsatisfiable(requested: str, size: int) -> HTTPException:
    return HTTPException(
        HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE,
        f"the file has {size} bytes, none of them in the range {requested[:80]}",
        {"Content-Range": f"bytes */{size}"},
    )
