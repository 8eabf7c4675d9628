"""Objects in an S3-compatible bucket, through s3fs, with the errors and writes of `storage`.

The address of the server, the keys and the region come from the usual variables
(`AWS_ENDPOINT_URL`, `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_DEFAULT_REGION`) or from a
role of the machine. s3fs is imported only when a bucket is used.
"""

import hashlib
import io
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, BinaryIO

import fsspec

_TRIES = 3  # of a request, with a short pause between them
_OPTIONS = {
    "use_listings_cache": False,  # a new blob of another process must be visible at once
    "config_kwargs": {
        "connect_timeout": 5,  # seconds
        "read_timeout": 30,  # seconds without a byte
        "retries": {"max_attempts": 1},  # s3fs tries again itself
    },
}
_BLOCK = 2**23  # bytes of one request of a reader: this much is lost where a connection breaks
_WRITE_SECONDS = 60.0  # for a write, beside the time of its bytes
_SLOWEST = 2**20  # bytes a second
_RECENT = timedelta(minutes=1)  # an equal object of that age needs no other writing


def connect(url: str) -> tuple[Any, str]:
    """The file system of a bucket and the path of `s3://bucket/prefix`; raises ValueError."""
    try:
        filesystem, root = fsspec.core.url_to_fs(url, **_OPTIONS)
    except ImportError as error:
        raise ValueError(
            f"the storage {url} is a bucket, and s3fs is not installed; install netmorph with the "
            "extra s3: pip install 'netmorph[s3]'"
        ) from error
    filesystem.retries = _TRIES
    return filesystem, root


def write(filesystem: Any, path: str, data: bytes) -> None:
    """Write an object under its content's name: only if there is none, where the server knows that.

    An object that is there is written again, as it may be damaged or about to be removed for its
    age; not so an equal one of the last minute, which another process has just written.
    """
    try:
        overwrite(filesystem, path, data, mode="create")
    except FileExistsError:
        if not _is_equal_and_recent(filesystem.info(path), data):
            overwrite(filesystem, path, data)
    except OSError as error:
        if _code(error) not in {"NotImplemented", "501", "ConditionalRequestConflict"}:
            raise
        overwrite(filesystem, path, data)


def overwrite(filesystem: Any, path: str, data: bytes, **options: str) -> None:
    """Write an object, whatever is there.

    A server that never says whether it takes the bytes (100 Continue) is not noticed by the limits
    of s3fs: the write has one of its own.
    """
    limit = _WRITE_SECONDS + len(data) / _SLOWEST
    filesystem.pipe_file(path, data, timeout=limit, **options)


def upload(filesystem: Any, path: str, source: str, size: int) -> None:
    """Write an object from a local file of this size, whatever is there; limited as `overwrite`."""
    filesystem.put_file(source, path, timeout=_WRITE_SECONDS + size / _SLOWEST)


def _is_equal_and_recent(found: dict[str, Any], data: bytes) -> bool:
    """Whether an object was just written with these bytes, by its entry of a listing.

    The server's checksum tells. An object from the future is not recent: this clock is behind.
    """
    checksum = hashlib.md5(data, usedforsecurity=False).hexdigest()
    is_equal = found["size"] == len(data) and found.get("ETag", "").strip('"') == checksum
    return bool(is_equal and abs(datetime.now(UTC) - found["LastModified"]) < _RECENT)


def open_object(filesystem: Any, path: str) -> BinaryIO:
    """An object as a binary file whose reading raises OSError alone."""
    return io.BufferedReader(_ObjectReader(filesystem.open(path, "rb", block_size=_BLOCK)))


class _ObjectReader(io.RawIOBase):
    """Reads an object; errors of the network are OSErrors."""

    def __init__(self, file: Any) -> None:
        self._file = file

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        with failures_as_os_errors():
            data = self._file.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move; only what is read from there on is requested, as a range."""
        with failures_as_os_errors():
            position: int = self._file.seek(offset, whence)
        return position

    def close(self) -> None:
        self._file.close()
        super().close()


@contextmanager
def failures_as_os_errors() -> Iterator[None]:
    """Raise OSError for each failure of the server or the network, as a disk does.

    A missing bucket is one, too: that its objects are not found does not mean that they are lost.
    """
    try:
        yield
    except FileNotFoundError as error:
        if _code(error) == "NoSuchBucket":
            raise OSError(f"the bucket is missing: {error}") from error
        raise
    except TimeoutError as error:
        raise TimeoutError(f"no answer from the server of the bucket in time {error}") from error
    except OSError:
        raise
    except Exception as error:
        if type(error).__module__.partition(".")[0] not in {"botocore", "aiohttp", "fsspec"}:
            raise
        raise OSError(f"{type(error).__name__}: {error}") from error


def _code(error: BaseException) -> str:
    """The code of the server's answer that an error came from, such as "NoSuchBucket"."""
    response = getattr(error.__cause__, "response", None) or {}
    return str(response.get("Error", {}).get("Code", ""))
