"""A data directory: its folders, its keys, its files and its locks."""

import stat
from pathlib import Path

import pytest

from netmorph.data_directory import DataDirectory, default_path
from netmorph.errors import LaunchError


@pytest.fixture
def directory(tmp_path):
    made = DataDirectory(tmp_path / "data")
    made.prepare()
    return made


def test_a_free_lock_can_be_taken(directory):
    assert not directory.is_locked("users")
    assert not directory.is_shared("users")


def test_an_exclusive_lock_excludes_others(directory):
    with directory.locked("users") as alone:
        assert alone
        assert directory.is_locked("users")
        assert not directory.is_shared("users")
        with directory.locked("users") as second:
            assert not second
    assert not directory.is_locked("users")


def test_a_shared_lock_can_be_held_by_several(directory):
    with directory.shared("users"):
        with directory.shared("users"):
            assert directory.is_shared("users")
        assert directory.is_shared("users")
        assert not directory.is_locked("users")
        with directory.locked("users") as alone:
            assert not alone
    assert not directory.is_shared("users")


@pytest.mark.parametrize("mode", [None, 0o644])
def test_no_other_account_can_take_its_locks(directory, mode):
    """An account that may read a file may lock it; earlier releases left these files readable."""
    path = directory.path / "lock"
    if mode is not None:
        path.touch(mode)
        path.chmod(mode)
    with directory.locked("lock") as alone, directory.shared("users"):
        assert alone
        for name in ("lock", "users"):
            assert stat.S_IMODE((directory.path / name).stat().st_mode) == 0o600


def test_its_folders_are_closed_to_others(directory):
    for folder in (directory.logs, directory.storage, directory.cache):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_an_existing_directory_keeps_its_permissions(tmp_path):
    tmp_path.chmod(0o755)
    DataDirectory(tmp_path).prepare()
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o755


def test_its_keys_are_made_once_and_are_the_owners_alone(directory):
    keys = directory.keys()
    assert keys.admin != keys.worker
    assert DataDirectory(directory.path).keys() == keys
    assert stat.S_IMODE(directory.keys_file.stat().st_mode) == 0o600


def test_a_damaged_file_is_named(directory):
    directory.keys_file.write_text("{")
    with pytest.raises(LaunchError, match=r"keys\.json is damaged: expected JSON; remove it"):
        directory.keys()


def test_a_file_is_replaced_in_one_step(directory):
    directory.write("service.json", {"url": "old"})
    before = (directory.path / "service.json").stat().st_ino
    directory.write("service.json", {"url": "new"})
    assert directory.read("service.json") == {"url": "new"}
    assert (directory.path / "service.json").stat().st_ino != before
    assert [path for path in directory.path.iterdir() if path.name.startswith(".")] == []


def test_a_missing_file_reads_as_none_and_may_be_removed(directory):
    directory.remove("service.json")
    assert directory.read("service.json") is None
    assert DataDirectory(directory.path / "none").read("service.json") is None
    assert not DataDirectory(directory.path / "none").is_locked("lock")


def test_the_default_directory_follows_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("NETMORPH_DATA_DIR", str(tmp_path))
    assert default_path() == tmp_path
    monkeypatch.delenv("NETMORPH_DATA_DIR")
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "xdg"))
    assert default_path() == tmp_path / "xdg" / "netmorph"
    monkeypatch.delenv("XDG_DATA_HOME")
    assert default_path() == Path.home() / ".local" / "share" / "netmorph"
