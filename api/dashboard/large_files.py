"""Files of installed packages that pages load: large, so compressed once for a process."""

import gzip
from functools import lru_cache
from pathlib import Path

from fastapi import Request
from fastapi.responses import FileResponse, Response

_YEAR = "public, max-age=31536000, immutable"  # the address changes with the file's version


def large_file(request: Request, path: Path, media_type: str) -> Response:
    """The file, compressed for a client that accepts it."""
    headers = {"Cache-Control": _YEAR}
    if "gzip" not in request.headers.get("accept-encoding", ""):
        return FileResponse(path, media_type=media_type, headers=headers)
    headers |= {"Content-Encoding": "gzip", "Vary": "Accept-Encoding"}
    return Response(_compressed(path), media_type=media_type, headers=headers)


@lru_cache(maxsize=8)
def _compressed(path: Path) -> bytes:
    return gzip.compress(path.read_bytes(), mtime=0)
