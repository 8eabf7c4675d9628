"""Which service a command talks to, and with which key."""

from pathlib import Path

import pytest

from netmorph.data_directory import DataDirectory
from netmorph.errors import Unreachable
from netmorph.launcher import Running
from netmorph.target import Target, find

URL = "http://127.0.0.1:8000"


@pytest.fixture
def data_directory(tmp_path: Path) -> DataDirectory:
    """A data directory with the file that a running service writes."""
    made = DataDirectory(tmp_path / "data")
    made.prepare()
    made.write("service.json", {"url": URL, "pid": 1})
    return made


def test_an_address_needs_a_key(data_directory: DataDirectory) -> None:
    with pytest.raises(Unreachable, match=f"no key for the service at {URL}.*--key"):
        Target(data_directory, URL).running()
    assert Target(data_directory, URL, "k").running() == Running(URL, "k")


def test_a_running_service_is_found_with_the_administrators_key(
    data_directory: DataDirectory,
) -> None:
    admin = data_directory.keys().admin
    with data_directory.locked("lock"):
        assert Target(data_directory).running() == Running(URL, admin)
        assert Target(data_directory, key="mine").running() == Running(URL, "mine")


def test_the_file_of_a_killed_launcher_is_ignored(data_directory: DataDirectory) -> None:
    assert find(data_directory) is None
    with pytest.raises(Unreachable, match=r"no service is running in .*`netmorph up --data-dir"):
        Target(data_directory).running()


def test_a_service_that_has_not_answered_yet_is_not_found(data_directory: DataDirectory) -> None:
    data_directory.remove("service.json")
    with data_directory.locked("lock"):
        assert find(data_directory) is None


def test_the_sign_in_hint_names_the_key_without_showing_it(data_directory: DataDirectory) -> None:
    hint = Target(data_directory).sign_in_hint()
    assert f'"admin" in {data_directory.path}/keys.json' in hint
    assert data_directory.keys().admin not in hint
    assert "secret" not in Target(data_directory, URL, "secret").sign_in_hint()
