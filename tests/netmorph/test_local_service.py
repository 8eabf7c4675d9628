"""A service on this machine: its address, its programs and their settings."""

import os
import socket
import time
from pathlib import Path

import pytest

from netmorph import local_service
from netmorph.data_directory import DataDirectory
from netmorph.embedded import free_port
from netmorph.local_service import LocalService
from tests.clock import Clock

SECRETS = ("NETMORPH_DATABASE_URL", "NETMORPH_ADMIN_KEY", "NETMORPH_KEY")


@pytest.fixture
def service(tmp_path: Path) -> LocalService:
    """A service with two workers, not started."""
    directory = DataDirectory(tmp_path / "data")
    directory.prepare()
    return LocalService(directory=directory, host="127.0.0.1", port=8000, workers=2)


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:80"),
        ("0.0.0.0", "http://127.0.0.1:80"),
        ("::", "http://[::1]:80"),
        ("fe80::1", "http://[fe80::1]:80"),
        ("box.local", "http://box.local:80"),
    ],
)
def test_the_address_is_one_that_this_machine_can_reach(
    tmp_path: Path, host: str, url: str
) -> None:
    directory = DataDirectory(tmp_path)
    assert LocalService(directory=directory, host=host, port=80, workers=1).url == url


def test_a_worker_gets_its_own_key_and_no_other_secret(
    service: LocalService, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in SECRETS:
        monkeypatch.setenv(name, "secret")
    keys = service.directory.keys()

    settings = service.worker(1, "redis://broker").environment

    assert settings["NETMORPH_WORKER_KEY"] == keys.worker
    assert "secret" not in settings.values()
    assert keys.admin not in settings.values()


def test_the_api_gets_the_database_and_both_keys(
    service: LocalService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NETMORPH_KEY", "secret")
    keys = service.directory.keys()

    settings = service.api_environment("postgresql://database", "redis://broker")

    assert settings["NETMORPH_DATABASE_URL"] == "postgresql://database"
    assert settings["NETMORPH_ADMIN_KEY"] == keys.admin
    assert settings["NETMORPH_WORKER_KEY"] == keys.worker
    assert "NETMORPH_KEY" not in settings


def test_workers_share_the_processors_and_the_list_of_gpus(service: LocalService) -> None:
    first, second = (service.worker(number, "redis://broker") for number in (1, 2))

    threads = str(max(1, local_service.cores() // 2))
    assert first.environment["NETMORPH_THREADS"] == second.environment["NETMORPH_THREADS"]
    assert first.environment["NETMORPH_THREADS"] == threads
    assert first.environment["NETMORPH_SLOT_DIR"] == second.environment["NETMORPH_SLOT_DIR"]
    states = {program.environment["NETMORPH_STATE_DIR"] for program in (first, second)}
    assert len(states) == 2


def test_settings_of_the_user_come_before_our_defaults(
    service: LocalService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NETMORPH_STORAGE_URL", "s3://bucket")
    assert service.worker(1, "redis://broker").environment["NETMORPH_STORAGE_URL"] == "s3://bucket"
    monkeypatch.delenv("NETMORPH_STORAGE_URL")
    own = service.directory.storage.as_uri()
    assert service.worker(1, "redis://broker").environment["NETMORPH_STORAGE_URL"] == own


def test_a_free_port_gives_no_answer() -> None:
    assert not local_service.answers(f"http://127.0.0.1:{free_port()}")()
    assert not local_service.is_alive(f"http://127.0.0.1:{free_port()}")()


def test_a_request_that_nobody_takes_yet_waits_and_is_answered_once() -> None:
    """As while the API starts: the launcher's socket listens, and the process must be watched."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        is_ready = local_service.answers(f"http://127.0.0.1:{listening.getsockname()[1]}")
        began = time.monotonic()
        assert [is_ready() for _ in range(3)] == [False] * 3
        assert time.monotonic() < began + 3
        connection, _ = listening.accept()
        with connection:
            assert connection.recv(1000).startswith(b"GET /readyz ")
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            assert is_ready()
        listening.setblocking(False)
        with pytest.raises(BlockingIOError):  # no other request has come
            listening.accept()


@pytest.mark.parametrize("status", [b"503 Service Unavailable", b""])
def test_a_service_that_is_not_ready_or_hangs_up_is_asked_again(status: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        is_ready = local_service.answers(f"http://127.0.0.1:{listening.getsockname()[1]}")
        for _ in range(2):
            assert not is_ready()
            connection, _ = listening.accept()
            with connection:
                assert connection.recv(1000)
                if status:
                    connection.sendall(b"HTTP/1.1 " + status + b"\r\nContent-Length: 0\r\n\r\n")
            assert not is_ready()


@pytest.mark.parametrize(
    ("limit", "processors"),
    [("150000 100000", 1), ("400000 100000", 4), ("50000 100000", 0)],
)
def test_a_limit_of_the_container_is_rounded_down(
    tmp_path: Path, limit: str, processors: int
) -> None:
    (tmp_path / "cpu.max").write_text(f"{limit}\n")
    assert local_service.quota(tmp_path / "cpu.max") == processors


@pytest.mark.parametrize("limit", ["max 100000", None])
def test_without_a_limit_every_processor_counts(tmp_path: Path, limit: str | None) -> None:
    if limit is not None:
        (tmp_path / "cpu.max").write_text(f"{limit}\n")
    assert local_service.quota(tmp_path / "cpu.max") > 10_000


def test_there_is_always_a_processor() -> None:
    assert local_service.cores() >= 1


def test_a_worker_shows_signs_of_life_by_touching_its_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock(1000.0)
    monkeypatch.setattr("netmorph.local_service.time.monotonic", clock)
    file = tmp_path / "worker.alive"
    is_changing = local_service.keeps_changing(file, seconds=30.0)

    def after(seconds: float) -> bool:
        clock.now += seconds
        return is_changing()

    assert [after(seconds) for seconds in (15, 15, 14, 1)] == [True, True, True, False]
    file.touch()
    assert [after(seconds) for seconds in (15, 15, 15)] == [True, True, False]
    os.utime(file, (0, 0))  # the clock of the machine was set back
    assert [after(seconds) for seconds in (15, 15, 15)] == [True, True, False]
    assert after(21)  # it was restarted meanwhile, and has not touched the old file yet
