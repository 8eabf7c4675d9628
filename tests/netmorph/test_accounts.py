"""The account of the embedded servers: never root, and never one that was not there."""

import os
import pwd
from pathlib import Path

import pytest

from netmorph import accounts
from netmorph.errors import LaunchError

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs a process that is root")
NOBODY = pwd.getpwnam("nobody")


@pytest.mark.skipif(os.geteuid() == 0, reason="needs a process that is not root")
def test_an_ordinary_account_runs_its_servers_itself(tmp_path: Path) -> None:
    assert accounts.for_servers(tmp_path) == accounts.current()


@as_root
def test_root_runs_servers_as_another_account(tmp_path: Path) -> None:
    for directory in (tmp_path, tmp_path / "missing"):
        assert accounts.for_servers(directory).name in {"postgres", "nobody"}


@as_root
def test_root_runs_servers_as_the_owner_of_their_files(tmp_path: Path) -> None:
    os.chown(tmp_path, NOBODY.pw_uid, NOBODY.pw_gid)

    account = accounts.for_servers(tmp_path)
    assert (account.uid, account.gid) == (NOBODY.pw_uid, NOBODY.pw_gid)


@as_root
def test_files_of_an_unknown_account_are_an_error(tmp_path: Path) -> None:
    os.chown(tmp_path, 54321, 54321)

    with pytest.raises(LaunchError, match="belongs to user id 54321, which is not in /etc/passwd"):
        accounts.for_servers(tmp_path)


@as_root
def test_another_account_reaches_only_what_the_kernel_allows(tmp_path: Path) -> None:
    nobody = accounts.Account("nobody", NOBODY.pw_uid, NOBODY.pw_gid)
    (tmp_path / "closed").mkdir(mode=0o700)

    assert accounts.can_reach(nobody, Path("/tmp"))
    assert not accounts.can_reach(nobody, tmp_path / "closed")


def test_this_account_reaches_its_own_folder(tmp_path: Path) -> None:
    assert accounts.can_reach(accounts.current(), tmp_path)
    assert not accounts.can_reach(accounts.current(), tmp_path / "missing")
