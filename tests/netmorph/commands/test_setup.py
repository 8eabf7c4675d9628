"""`netmorph config` and `netmorph doctor`: what they find in sound and in broken set-ups."""

import json
import os
import shutil
import socket

import pytest

from netmorph import diagnosis
from netmorph.data_directory import DataDirectory
from netmorph.target import Target


def test_the_configuration_is_shown_without_the_key(service, netmorph) -> None:
    ended = netmorph("config", "--json", "--data-dir", service.directory)
    shown = json.loads(ended.stdout)
    assert shown["service"] == service.url
    assert shown["data_directory"] == str(service.directory)
    assert service.key not in ended.stdout


def test_a_service_without_workers_is_a_problem_with_advice(service, netmorph) -> None:
    ended = netmorph("doctor", "--json", "--data-dir", service.directory)
    found = json.loads(ended.stdout)
    assert ended.returncode == 1
    assert [one["subject"] for one in found if one["state"] == "problem"] == ["workers"]
    assert "netmorph up --workers 1" in found[-1]["advice"]
    assert {"database", "broker", "storage", "key", "disk"} <= {one["subject"] for one in found}


def test_a_wrong_key_is_a_problem(service) -> None:
    directory = DataDirectory(service.directory)
    found = list(diagnosis.findings(Target(directory, service.url, "netmorph_no"), port=1))
    assert (found[-1].subject, found[-1].state) == ("key", "problem")


@pytest.fixture
def here(directory):
    """The target of a data directory that does not exist yet."""
    return Target(DataDirectory(directory))


def problems(target: Target, port: int = 0) -> dict[str, str]:
    """The text and advice of each problem."""
    found = diagnosis.findings(target, port=port)
    return {one.subject: f"{one.text}; {one.advice}" for one in found if one.state == "problem"}


def test_without_a_service_the_machine_is_checked_and_nothing_is_written(here) -> None:
    assert problems(here) == {}
    assert not here.directory.path.exists()


def test_a_port_in_use_is_a_problem(here) -> None:
    with socket.create_server(("127.0.0.1", 0)) as busy:
        assert "--port 0" in problems(here, busy.getsockname()[1])["port"]


def test_little_room_is_a_problem(here, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage("/")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=10 * 2**20))
    monkeypatch.setattr(diagnosis.resource, "getrlimit", lambda kind: (256, 256))
    found = problems(here)
    assert "10 MiB free" in found["disk"]
    assert "--shm-size" in found["/dev/shm"]
    assert "ulimit -n" in found["open files"]


def test_a_folder_that_the_service_cannot_enter_is_a_problem(directory) -> None:
    directory.parent.chmod(0o500 if os.geteuid() else 0o700)
    assert "--data-dir" in problems(Target(DataDirectory(directory)))["data directory"]
    directory.parent.chmod(0o711)
