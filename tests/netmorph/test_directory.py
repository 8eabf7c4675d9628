"""Locks of a data directory: alone, together, and how they look from outside."""

import pytest

from netmorph.directory import DataDirectory


@pytest.fixture
def directory(tmp_path):
    made = DataDirectory(tmp_path / "data")
    made.prepare()
    return made


def test_a_lock_that_nobody_holds(directory):
    assert not directory.is_locked("users")
    assert not directory.is_shared("users")


def test_a_lock_that_one_holds_alone(directory):
    with directory.locked("users") as alone:
        assert alone
        assert directory.is_locked("users")
        assert not directory.is_shared("users")
        with directory.locked("users") as second:
            assert not second
    assert not directory.is_locked("users")


def test_a_lock_that_several_hold(directory):
    with directory.shared("users"):
        with directory.shared("users"):
            assert directory.is_shared("users")
        assert directory.is_shared("users")
        assert not directory.is_locked("users")
        with directory.locked("users") as alone:
            assert not alone
    assert not directory.is_shared("users")
