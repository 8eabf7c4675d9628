"""A file that is downloaded in several parts where the connection breaks."""

import re
from dataclasses import dataclass
from pathlib import Path

import httpx

_FIRST = re.compile(r"bytes ([0-9]+)-")  # in a `Content-Range`


@dataclass(slots=True)
class PartialFile:
    """What has arrived of a file of the service, and the ETag that the rest must have."""

    target: Path
    size: int = 0
    tag: str | None = None

    @property
    def headers(self) -> dict[str, str]:
        """The headers that request the rest; a file that has changed is sent from its beginning."""
        plain = {"Accept-Encoding": "identity"}  # ranges are of the bytes that are written here
        if self.tag is None or not self.size:
            return plain
        return plain | {"Range": f"bytes={self.size}-", "If-Range": self.tag}

    def write(self, answer: httpx.Response) -> None:
        """Write what arrives of an answer to a request with these headers.

        Raises httpx.TransportError where the connection breaks: `headers` then request the rest.
        """
        is_rest = answer.status_code == httpx.codes.PARTIAL_CONTENT
        if not is_rest:
            self.size, self.tag = 0, _strong(answer.headers.get("etag"))
        elif _first(answer) != self.size:
            self.tag = None
            raise httpx.RemoteProtocolError("found another part of the file than the requested one")
        with self.target.open("r+b" if is_rest else "wb") as file:
            file.seek(self.size)
            for chunk in answer.iter_bytes():
                self.size += file.write(chunk)


def _strong(tag: str | None) -> str | None:
    """The tag; None for a weak one, whose files may differ in their bytes."""
    return None if tag is None or tag.startswith("W/") else tag


def _first(answer: httpx.Response) -> int | None:
    """The position of the first byte of a part."""
    found = _FIRST.match(answer.headers.get("content-range", ""))
    return int(found[1]) if found else None
