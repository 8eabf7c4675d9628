"""The unprivileged account that servers run under if the launcher is root.

PostgreSQL refuses to run as root. An existing account is used, none is created, and no permission
of an existing folder is widened.
"""

import os
import pwd
import subprocess
from dataclasses import dataclass
from pathlib import Path

from netmorph.errors import LaunchError

_PREFERRED = ("postgres", "nobody")


@dataclass(frozen=True, slots=True)
class Account:
    """A user account of this machine."""

    name: str
    uid: int
    gid: int


def current() -> Account:
    """The account that this process runs under."""
    uid = os.geteuid()
    try:
        entry = pwd.getpwuid(uid)
    except KeyError:
        raise LaunchError(
            f"user id {uid} has no entry in /etc/passwd, which PostgreSQL needs; "
            "add one, or set NETMORPH_DATABASE_URL"
        ) from None
    return Account(entry.pw_name, uid, os.getegid())


def for_servers(directory: Path) -> Account:
    """The account for servers whose files are in `directory`.

    If this process is root, that is the owner of `directory`; if `directory` is missing or belongs
    to root, it is an unprivileged account of the system.
    """
    me = current()
    if me.uid != 0:
        return me
    if directory.exists() and (owner := directory.stat().st_uid) != 0:
        return _by_uid(owner)
    for name in _PREFERRED:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)
    raise LaunchError(
        "PostgreSQL does not run as root, and there is no account 'postgres' or 'nobody'; "
        "start as another user, or set NETMORPH_DATABASE_URL"
    )


def _by_uid(uid: int) -> Account:
    try:
        entry = pwd.getpwuid(uid)
    except KeyError:
        raise LaunchError(
            f"the data directory belongs to user id {uid}, which is not in /etc/passwd; "
            "change its owner, or choose another one with --data-dir"
        ) from None
    return Account(entry.pw_name, uid, entry.pw_gid)


def can_reach(account: Account, path: Path) -> bool:
    """Whether the kernel lets `account` enter the folder, or execute the file, `path`."""
    if account.uid == os.geteuid():
        return os.access(path, os.X_OK)
    test = subprocess.run(
        ["/bin/sh", "-c", 'test -x "$1"', "sh", str(path)],
        user=account.uid,
        group=account.gid,
        extra_groups=[],
        cwd="/",
        check=False,
    )
    return test.returncode == 0
