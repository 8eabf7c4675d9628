"""Where the embedded servers keep their files and find their programs.

Normally that is the data directory and the installed wheels. As root, the servers run under an
unprivileged account that may not be able to enter either; then a folder of their own is used,
named in the data directory. Permissions of what was there before are never widened.
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

_POINTER = "servers-at"  # file in the data directory: where the servers' files are instead
_FALLBACKS = (Path("/var/lib"), Path("/tmp"))
_SOCKET_FOLDER_BYTES = 85  # the kernel takes 103 for the whole path of a socket


@dataclass(frozen=True, slots=True)
class ServerFiles:
    """A folder that `account` can enter; folders of that account are made in it."""

    path: Path
    account: Account

    def folder(self, name: str) -> Path:
        """The folder `name`, made where missing; it is the account's alone."""
        return _private(self.path / name, self.account)

    def sockets(self) -> Path:
        """The folder for sockets, made where missing."""
        return _private(self._sockets_path(), self.account)

    def forget_sockets(self) -> None:
        """Remove the folder for sockets where it is empty and outside of ours."""
        folder = self._sockets_path()
        if folder.parent != self.path:
            with contextlib.suppress(OSError):
                folder.rmdir()

    def _sockets_path(self) -> Path:
        """Below our folder, or in /tmp where that is too long a path for a socket."""
        folder = self.path / "sockets"
        if len(os.fsencode(folder)) <= _SOCKET_FOLDER_BYTES:
            return folder
        digest = hashlib.sha256(os.fsencode(folder)).hexdigest()[:16]
        return Path("/tmp") / f"netmorph-{self.account.uid}-{digest}"

    def program(self, package: str, inside: str) -> Path:
        """The file `inside` the installed `package`, copied where the account cannot reach it."""
        root = _package_root(package)
        matches = sorted(root.glob(inside))
        if not matches:
            raise LaunchError(f"the package {package} at {root} has no {inside} for this machine")
        if can_reach(self.account, matches[0]):
            return matches[0]
        return _copied(root, self.path / "programs") / matches[0].relative_to(root)


def of(data_directory: Path) -> ServerFiles:
    """Where servers of this data directory live."""
    pointer = data_directory / _POINTER
    if pointer.exists() and (elsewhere := Path(pointer.read_text().strip())).is_dir():
        return ServerFiles(elsewhere, for_servers(elsewhere / "postgres"))
    account = for_servers(data_directory / "postgres")
    if can_reach(account, data_directory):
        return ServerFiles(data_directory, account)
    elsewhere = _folder_elsewhere()
    pointer.write_text(f"{elsewhere}\n")
    return ServerFiles(elsewhere, account)


def _folder_elsewhere() -> Path:
    """A fresh folder of ours that every account may pass through."""
    parent = next(path for path in _FALLBACKS if os.access(path, os.W_OK))
    folder = Path(tempfile.mkdtemp(prefix="netmorph-", dir=parent))
    folder.chmod(0o711)
    return folder


def _private(folder: Path, account: Account) -> Path:
    """`folder`, made where missing, checked to be the account's and closed to all others."""
    try:
        folder.mkdir(mode=0o700)
    except FileExistsError:
        status = folder.lstat()
        if status.st_uid != account.uid or status.st_mode & 0o170077 != 0o040000:
            raise LaunchError(
                f"{folder} must be a folder of {account.name} with permissions 0700; "
                "use the account that made it, or another data directory"
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
    """A copy of the package at `root`, and of the libraries beside it, readable for everyone."""
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
