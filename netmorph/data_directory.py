"""The data directory of a local service: files, keys, and locks of the processes that use it.

keys.json       the administrator's and the workers' key, made at the first start (0600)
lock            held by the launcher while it runs
users           locked by each command that needs a service started on demand, together
children.json   the launcher's child processes, for its successor if it is killed
service.json    the address of the running service; exists while it answers
logs/ storage/ cache/ workers/ postgres/ sockets/ valkey/
"""

import contextlib
import fcntl
import json
import os
import secrets
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from netmorph.errors import LaunchError

_KEYS = "keys.json"
_FOLDERS = ("logs", "storage", "cache", "workers")


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys that a service is started with."""

    admin: str
    worker: str


@dataclass(frozen=True, slots=True)
class DataDirectory:
    """A folder, the paths in it, and the files and locks with a fixed meaning."""

    path: Path

    @property
    def logs(self) -> Path:
        return self.path / "logs"

    @property
    def storage(self) -> Path:
        return self.path / "storage"

    @property
    def cache(self) -> Path:
        return self.path / "cache"

    @property
    def keys_file(self) -> Path:
        return self.path / _KEYS

    def prepare(self) -> None:
        """Make missing folders. If root makes the directory, other accounts may enter it.

        Raises:
            LaunchError: the directory cannot be written.
        """
        try:
            if not self.path.exists():
                self.path.mkdir(parents=True)
                self.path.chmod(0o711 if os.geteuid() == 0 else 0o700)
            with tempfile.TemporaryFile(dir=self.path):
                pass
            for name in _FOLDERS:
                (self.path / name).mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            reason = error.strerror or error
            raise LaunchError(
                f"the data directory {self.path} cannot be written: {reason}; "
                "choose another one with --data-dir or NETMORPH_DATA_DIR"
            ) from None

    def keys(self) -> Keys:
        """The keys of this directory, made at the first call."""
        stored = self.read(_KEYS)
        if stored is None:
            stored = {name: new_key() for name in ("admin", "worker")}
            self.write(_KEYS, stored)
        return Keys(stored["admin"], stored["worker"])

    def read(self, name: str) -> Any:
        """The JSON in the file `name`; None without such a file."""
        path = self.path / name
        try:
            return json.loads(path.read_text())
        except (FileNotFoundError, NotADirectoryError):
            return None
        except PermissionError:
            raise LaunchError(
                f"this user may not read {path}; give --url and --key, or use the owner's account"
            ) from None
        except json.JSONDecodeError:
            raise LaunchError(
                f"{path} is damaged: expected JSON; remove it and try again"
            ) from None

    def write(self, name: str, value: object) -> None:
        """Replace the file `name` by JSON in one step, readable for its owner only."""
        handle, scratch = tempfile.mkstemp(dir=self.path, prefix=f".{name}.")
        with os.fdopen(handle, "w") as file:
            json.dump(value, file, indent=2)
        Path(scratch).replace(self.path / name)

    def remove(self, name: str) -> None:
        """Remove the file `name`, if it exists."""
        (self.path / name).unlink(missing_ok=True)

    @contextlib.contextmanager
    def locked(self, name: str) -> Iterator[bool]:
        """Try to hold the lock `name` alone without waiting; yields whether that succeeded."""
        with self._lock_file(name) as file:
            yield _try_to_lock(file, fcntl.LOCK_EX)

    @contextlib.contextmanager
    def shared(self, name: str) -> Iterator[None]:
        """Hold the lock `name` together with others; waits while a process holds it alone."""
        with self._lock_file(name) as file:
            fcntl.flock(file, fcntl.LOCK_SH)
            yield

    def is_locked(self, name: str) -> bool:
        """Whether a process holds the lock `name` alone."""
        try:
            with self._lock_file(name) as file:
                return not _try_to_lock(file, fcntl.LOCK_SH)
        except OSError:
            return False

    def is_shared(self, name: str) -> bool:
        """Whether a process holds the lock `name` together with others."""
        with self._lock_file(name) as file:
            return not _try_to_lock(file, fcntl.LOCK_EX) and _try_to_lock(file, fcntl.LOCK_SH)

    def _lock_file(self, name: str) -> IO[str]:
        """The file of a lock, closed to others: who may read a file may lock it, too."""
        file = open(self.path / name, "a", opener=_open_for_owner)  # noqa: SIM115 (the caller's)
        if os.fstat(file.fileno()).st_uid == os.geteuid():
            os.fchmod(file.fileno(), 0o600)  # a file of an earlier release may be open to others
        return file


def _open_for_owner(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def new_key() -> str:
    """A new key: 256 random bits after the prefix that the service expects."""
    return f"netmorph_{secrets.token_urlsafe(32)}"


def default_path() -> Path:
    """The data directory if the command line names none."""
    if path := os.environ.get("NETMORPH_DATA_DIR"):
        return Path(path)
    if os.geteuid() == 0:
        return Path("/var/lib/netmorph")
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "netmorph"
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "netmorph"


def _try_to_lock(file: IO[str], kind: int) -> bool:
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
