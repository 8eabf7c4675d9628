"""The data directory of an embedded service: files, keys, and who runs in it.

keys.json       the two keys made at the first start (0600)
lock            held by the launcher while it runs
users           shared-locked by each command that needs a service started on demand
children.json   the launcher's child processes, for the next launcher if this one is killed
service.json    the address of the running service; there while it answers
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

_FOLDERS = ("logs", "storage", "cache", "workers")


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys that the service is started with."""

    admin: str
    worker: str


@dataclass(frozen=True, slots=True)
class DataDirectory:
    """The paths of a data directory, and the few files with a meaning of their own."""

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

    def prepare(self) -> None:
        """Make what is missing. As root, other accounts may pass through a folder made here."""
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
                "name another with --data-dir or NETMORPH_DATA_DIR"
            ) from None

    def keys(self) -> Keys:
        """The keys of this directory, made at the first call."""
        known = self.read("keys.json")
        if known is None:
            known = {name: new_key() for name in ("admin", "worker")}
            self.write("keys.json", known)
        return Keys(known["admin"], known["worker"])

    def read(self, name: str) -> Any:
        """The JSON in the file `name`; None where there is no such file."""
        path = self.path / name
        try:
            return json.loads(path.read_text())
        except (FileNotFoundError, NotADirectoryError):
            return None
        except PermissionError:
            raise LaunchError(f"{path} may not be read by this user; give --key") from None
        except json.JSONDecodeError:
            raise LaunchError(
                f"{path} is damaged: expected JSON; remove it and start again"
            ) from None

    def write(self, name: str, value: object) -> None:
        """Put JSON into the file `name`, readable for its owner alone, at once or not at all."""
        handle, scratch = tempfile.mkstemp(dir=self.path, prefix=f".{name}.")
        with os.fdopen(handle, "w") as file:
            json.dump(value, file, indent=2)
        Path(scratch).replace(self.path / name)

    def remove(self, name: str) -> None:
        """Remove the file `name` where it is there."""
        (self.path / name).unlink(missing_ok=True)

    @contextlib.contextmanager
    def locked(self, name: str) -> Iterator[bool]:
        """Try to hold the lock `name` alone; whether that went well."""
        with (self.path / name).open("a") as file:
            yield _try_to_lock(file, fcntl.LOCK_EX)

    @contextlib.contextmanager
    def shared(self, name: str) -> Iterator[None]:
        """Hold the lock `name` together with others, once nobody holds it alone."""
        with (self.path / name).open("a") as file:
            fcntl.flock(file, fcntl.LOCK_SH)
            yield

    def is_locked(self, name: str) -> bool:
        """Whether somebody holds the lock `name` alone."""
        try:
            with (self.path / name).open("a") as file:
                return not _try_to_lock(file, fcntl.LOCK_SH)
        except OSError:
            return False

    def is_shared(self, name: str) -> bool:
        """Whether somebody holds the lock `name` together with others."""
        with (self.path / name).open("a") as file:
            return not _try_to_lock(file, fcntl.LOCK_EX) and _try_to_lock(file, fcntl.LOCK_SH)


def new_key() -> str:
    """A key as the service expects it: 256 random bits behind the product's name."""
    return f"netmorph_{secrets.token_urlsafe(32)}"


def default_path() -> Path:
    """Where data lives if nobody says otherwise."""
    if given := os.environ.get("NETMORPH_DATA_DIR"):
        return Path(given)
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
