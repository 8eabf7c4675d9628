"""Content-addressed blobs (data sets, weights, exports) in a folder or a bucket.

A blob's key is its kind and the SHA-256 of its bytes, so equal bytes are stored once, a key is
never rewritten with other bytes, and every reader can verify what it has read. In a folder a blob
is written under a temporary name, flushed to disk, then renamed, so that a crash leaves the
complete blob or none; in a bucket (`buckets`) an upload becomes visible only when it is complete.
Failing disks and networks raise `OSError`: those calls may be retried.
"""

import hashlib
import os
import re
import secrets
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO, Literal, cast, get_args

import fsspec
from fsspec.implementations.local import LocalFileSystem

from core.errors import CorruptBlob, MissingBlob
from core.protocol import atomic_files, buckets, partial_file
from core.protocol.contracts.blobs import BlobRef
from core.protocol.file_hash import FileHash

_BLOB_NAME = re.compile(r"[0-9a-f]{64}\.[a-z]+")
_UNFINISHED_NAME = re.compile(r"\.[0-9a-f]{64}\.[a-z]+\.[0-9a-f]+")  # see `atomic_files`
_CHUNK = 2**20  # bytes

BlobKind = Literal["datasets", "weights", "exports", "checkpoints"]
BLOB_KINDS: tuple[BlobKind, ...] = get_args(BlobKind)


class Storage:
    """The blobs under one URL: `file:///folder`, `s3://bucket/prefix`, ...; safe in threads."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._is_bucket = url.startswith("s3://")
        # Listings are not cached: a new blob of another process must be visible at once.
        filesystem, root = (
            buckets.connect(url)
            if self._is_bucket
            else fsspec.core.url_to_fs(url, use_listings_cache=False)
        )
        self._fs: Any = filesystem
        self._root: str = root.rstrip("/")
        self._is_local = isinstance(filesystem, LocalFileSystem)
        self._verified: set[Path] = set()  # local files whose hash was checked by this process
        self._drafts: set[Path] = set()  # that this process is writing
        self._begun: dict[Path, FileHash] = {}  # whose check was stopped: it goes on from there

    def put(self, kind: BlobKind, data: bytes, suffix: str) -> BlobRef:
        """Store the bytes; storing them again changes nothing, or repairs a damaged copy."""
        sha256 = hashlib.sha256(data).hexdigest()
        blob = BlobRef(key=f"{kind}/{sha256}.{suffix}", sha256=sha256, bytes=len(data))
        with self._failures():
            if self._is_local:
                atomic_files.write(Path(self._path(blob)), data)
            elif self._is_bucket:
                buckets.write(self._fs, self._path(blob), data)
            else:
                self._fs.pipe_file(self._path(blob), data)
        return blob

    def put_file(
        self,
        kind: BlobKind,
        path: Path,
        suffix: str,
        on_chunk: Callable[[], None] = lambda: None,
    ) -> BlobRef:
        """Store the contents of a file of any size, as `put` does, piece by piece.

        The file must not change afterwards: one of `draft` becomes the stored file without a copy.
        `on_chunk` is called after each piece that is hashed; what it raises ends the storing.
        """
        size, sha256 = FileHash(path).finish(on_chunk)
        blob = BlobRef(key=f"{kind}/{sha256}.{suffix}", sha256=sha256, bytes=size)
        with self._failures():
            if self._is_local:
                atomic_files.place(Path(self._path(blob)), path)
            elif self._is_bucket:
                buckets.upload(self._fs, self._path(blob), str(path), size)
            else:
                self._fs.put_file(str(path), self._path(blob))
        return blob

    @contextmanager
    def draft(self, kind: BlobKind, suffix: str) -> Iterator[Path]:
        """The path of a file to write and then `put_file`; it is removed at the end.

        Of a local folder it lies beside the stored files, where a sweep removes it after a crash.
        """
        folder = Path(self._root) / kind if self._is_local else Path(tempfile.gettempdir())
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f".{secrets.token_hex(32)}.{suffix}.{secrets.token_hex(8)}"
        self._drafts.add(path)
        try:
            yield path
        finally:
            path.unlink(missing_ok=True)
            self._drafts.discard(path)

    def remove_drafts(self) -> None:
        """Remove the files of `draft` whose threads end with this process."""
        for path in tuple(self._drafts):
            path.unlink(missing_ok=True)

    def get(self, blob: BlobRef) -> bytes:
        """The bytes of a blob, size and hash checked; raises MissingBlob or CorruptBlob."""
        with _missing_is_an_error(blob), self._failures():
            data: bytes = self._fs.cat_file(self._path(blob))
        _check(blob, len(data), hashlib.sha256(data).hexdigest())
        return data

    def local_path(
        self, blob: BlobRef, cache: Path, on_chunk: Callable[[], None] = lambda: None
    ) -> Path:
        """A local file with the blob's bytes, for memory-mapping; checked once in a process.

        The file of a local folder is used itself; from elsewhere the blob is downloaded into
        `cache`, where a damaged copy is replaced, and where a download that broke off goes on.
        `on_chunk` is called between two pieces of the file; what it raises ends the call, and the
        next one goes on. Raises MissingBlob or CorruptBlob.
        """
        if self._is_local:
            path = Path(self._path(blob))
            if path not in self._verified:
                with _missing_is_an_error(blob):
                    _check(blob, *self._size_and_hash(path, on_chunk))
        else:
            path = cache / blob.key
            if path not in self._verified and not self._is_intact(blob, path, on_chunk):
                self._download(blob, path, on_chunk)
        self._verified.add(path)
        return path

    def _download(self, blob: BlobRef, path: Path, on_chunk: Callable[[], None]) -> None:
        """Bring a blob to a path, with what has arrived of it before; raises CorruptBlob."""
        partial = partial_file.beside(path)
        with partial_file.locked(path, on_chunk) as file, self._failures():
            if self._is_intact(blob, path, on_chunk):  # another caller has brought it meanwhile
                partial.unlink()
                return
            if not self._append(blob, file, partial, on_chunk):
                # What had arrived before is damaged: all is requested, once.
                self._append(blob, file, partial, on_chunk)
            os.replace(partial, path)
        atomic_files.flush_folder(path.parent)

    def _append(
        self, blob: BlobRef, file: BinaryIO, partial: Path, on_chunk: Callable[[], None]
    ) -> bool:
        """Request the rest of a blob; whether it is intact then.

        A damaged one is emptied. Raises CorruptBlob where all of it was requested.
        """
        with self.open(blob) as source:
            had = partial_file.append_rest(file, source, blob.bytes, on_chunk)
        try:
            _check(blob, *self._size_and_hash(partial, on_chunk))
        except CorruptBlob:
            file.truncate(0)
            if not had:
                raise
            return False
        return True

    def _size_and_hash(self, path: Path, on_chunk: Callable[[], None]) -> tuple[int, str]:
        """The size and hash of a file; where its reading is stopped, the next call continues."""
        begun = self._begun.pop(path, None) or FileHash(path)
        try:
            return begun.finish(on_chunk)
        except BaseException:
            self._begun[path] = begun
            raise

    def _is_intact(self, blob: BlobRef, path: Path, on_chunk: Callable[[], None]) -> bool:
        if not path.exists():
            return False
        return self._size_and_hash(path, on_chunk) == (blob.bytes, blob.sha256)

    def check(self, blob: BlobRef) -> None:
        """Read a blob of any size to its end; raises MissingBlob or CorruptBlob."""
        found, size = hashlib.sha256(), 0
        with self.open(blob) as file:
            while chunk := file.read(_CHUNK):
                found.update(chunk)
                size += len(chunk)
        _check(blob, size, found.hexdigest())

    def open(self, blob: BlobRef) -> BinaryIO:
        """The blob as an open binary file; its hash is not checked."""
        with _missing_is_an_error(blob), self._failures():
            if self._is_bucket:
                return buckets.open_object(self._fs, self._path(blob))
            return cast(BinaryIO, self._fs.open(self._path(blob), "rb"))

    def stored_at(self, blob: BlobRef) -> datetime | None:
        """When the blob was last stored, by the storage's clock; None if it is gone."""
        try:
            with self._failures():
                moment: datetime = self._fs.modified(self._path(blob))
        except FileNotFoundError:
            return None
        return moment

    def delete(self, blob: BlobRef) -> None:
        """Remove the blob; no error if it is not there."""
        with suppress(FileNotFoundError), self._failures():
            self._fs.rm_file(self._path(blob))

    def stale(self, kind: BlobKind, before: datetime) -> list[str]:
        """The names of files of this kind that were last written before this moment."""
        return sorted(name for name, _ in self._stale_files(kind, before))

    def stale_blobs(self, kind: BlobKind, before: datetime) -> list[BlobRef]:
        """The blobs of this kind that were last written before this moment."""
        return [
            BlobRef(key=f"{kind}/{name}", sha256=name.partition(".")[0], bytes=size)
            for name, size in self._stale_files(kind, before)
            if _BLOB_NAME.fullmatch(name)
        ]

    def _stale_files(self, kind: BlobKind, before: datetime) -> Iterator[tuple[str, int]]:
        """Name and size of each file of this kind of that age; folders are not ours."""
        try:
            with self._failures():
                found = self._listing(f"{self._root}/{kind}")
        except FileNotFoundError:
            return
        for entry in found:
            if entry["type"] == "file" and _written_at(entry) < before:
                yield entry["name"].rpartition("/")[2], entry["size"]

    def _listing(self, folder: str) -> list[dict[str, Any]]:
        """The entries of a folder, without those that vanish meanwhile."""
        if not self._is_local:
            found: list[dict[str, Any]] = self._fs.ls(folder, detail=True)
            return found
        entries = []
        for entry in os.scandir(folder):
            with suppress(FileNotFoundError):
                entries.append(self._fs.info(entry))
        return entries

    def remove_unfinished(self, kind: BlobKind, before: datetime) -> None:
        """Remove files of that age that a process was writing when it was killed."""
        for name in self.stale(kind, before):
            if _UNFINISHED_NAME.fullmatch(name):  # other files are not ours
                self.delete_file(kind, name)

    def delete_file(self, kind: BlobKind, name: str) -> None:
        """Remove a file that `stale` has named; no error if it is not there."""
        with suppress(FileNotFoundError), self._failures():
            self._fs.rm_file(f"{self._root}/{kind}/{name}")

    def check_writable(self) -> None:
        """Write and remove a small file; raises OSError if that fails.

        The file has one name for all processes: where it cannot be removed, the next check does so.
        """
        path = f"{self._root}/.writable"
        if self._is_local:
            Path(self._root).mkdir(parents=True, exist_ok=True)
        with self._failures():
            try:
                if self._is_bucket:
                    buckets.overwrite(self._fs, path, b"netmorph")
                else:
                    self._fs.pipe_file(path, b"netmorph")
            finally:
                with suppress(FileNotFoundError):  # another process has removed it
                    self._fs.rm_file(path)

    def _failures(self) -> AbstractContextManager[None]:
        """Raises failures of a bucket as those of a folder."""
        return buckets.failures_as_os_errors() if self._is_bucket else nullcontext()

    def _path(self, blob: BlobRef) -> str:
        return f"{self._root}/{blob.key}"


def _written_at(entry: dict[str, Any]) -> datetime:
    """When a file was last written, by its entry in a listing."""
    found = next(entry[name] for name in ("LastModified", "mtime", "created") if name in entry)
    moment: datetime = datetime.fromtimestamp(found, UTC) if isinstance(found, float) else found
    return moment


@contextmanager
def _missing_is_an_error(blob: BlobRef) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise MissingBlob(f"nothing is stored under {blob.key}") from None


def _check(blob: BlobRef, size: int, sha256: str) -> None:
    if size != blob.bytes:
        raise CorruptBlob(f"{blob.key} has {size} bytes, expected {blob.bytes}")
    if sha256 != blob.sha256:
        raise CorruptBlob(f"{blob.key} has the hash {sha256[:12]}…, expected {blob.sha256[:12]}…")
