"""The unprivileged account that servers run under where the launcher is root.

PostgreSQL refuses to run as root. An account that exists is used, none is made, and no
permission of a folder that was there before is ever widened.
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
    """An account of this machine."""

    name: str
    uid: int
    gid: int


def current() -> Account:
    """The account this process runs under."""
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
    """The account that servers with their files in `directory` run under.

    As root it is the owner of `directory` where that is there and not root's; else an
    unprivileged account of the system.
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
        "PostgreSQL does not run as root and no account 'postgres' or 'nobody' exists; "
        "start as another user, or set NETMORPH_DATABASE_URL"
    )


def _by_uid(uid: int) -> Account:
    try:
        entry = pwd.getpwuid(uid)
    except KeyError:
        raise LaunchError(
            f"the data directory belongs to user id {uid}, which has no name"
        ) from None
    return Account(entry.pw_name, uid, entry.pw_gid)


def can_reach(account: Account, path: Path) -> bool:
    """Whether `account` may enter the folder (or execute the file) `path`; the kernel decides."""
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
