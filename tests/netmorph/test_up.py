"""`netmorph up`: it runs everything, restarts what dies, and leaves nothing behind."""

import json
import signal
import socket
import stat
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import psutil
import pytest

from netmorph.stack import cores

pytestmark = pytest.mark.xdist_group("machine")


def get(url: str, path: str, key: str = "") -> httpx.Response:
    """An answer of the service."""
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    return httpx.get(url + path, headers=headers, trust_env=False, timeout=30)


def eventually(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    """Return when the condition holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


def ready(url: str) -> bool:
    """Whether the service answers."""
    try:
        return get(url, "/readyz").status_code == 200
    except httpx.TransportError:
        return False


def noted(directory: Path) -> set[int]:
    """The processes that the launcher would have its successor end."""
    return {note["pid"] for note in json.loads((directory / "children.json").read_text())}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_all_of_it(up, directory, number) -> None:
    with up(directory) as service:
        assert ready(service.url)
        assert get(service.url, "/v1/searches", service.key).json()["items"] == []
        assert len(service.children()) >= 4  # postgres, valkey, api, worker
        service.process.send_signal(number)
        assert service.process.wait(60) == 0
    service.assert_gone()
    left = {path.name for path in directory.iterdir()}
    assert left.isdisjoint({"service.json", "children.json"})


def test_the_keys_are_the_owners_alone_and_last(up, directory) -> None:
    with up(directory, "--workers", 0) as service:
        first = service.key
        for name in ("keys.json", "service.json"):
            assert stat.S_IMODE((directory / name).stat().st_mode) == 0o600
    with up(directory, "--workers", 0) as service:
        assert service.key == first
        assert get(service.url, "/v1/searches", first).status_code == 200
        assert get(service.url, "/v1/searches", "netmorph_wrong").status_code == 401


def threads_of_workers(service) -> list[str]:
    """How many threads each worker was given, of those whose command has begun."""
    return [
        process.environ()["NETMORPH_THREADS"]
        for process in service.children()
        if "worker" in process.cmdline()
    ]


def test_after_kill_9_of_the_launcher_a_new_one_takes_over(up, directory) -> None:
    with up(directory, "--workers", 2) as service:
        threads = str(max(1, cores() // 2))
        eventually(lambda: threads_of_workers(service) == [threads] * 2)
        service.children()
        service.process.kill()
        service.process.wait()
        with up(directory) as successor:
            service.assert_gone()
            assert ready(successor.url)
            assert successor.key == service.key
    successor.assert_gone()


def test_what_is_killed_is_started_again(up, directory) -> None:
    with up(directory) as service:
        for word in ("api", "worker", "valkey-server", "postgres"):
            victim = service.child(word)
            victim.kill()
            eventually(lambda gone=victim.pid: gone not in noted(directory))
            eventually(lambda: ready(service.url))
            assert get(service.url, "/v1/searches", service.key).status_code == 200
            service.children()
    service.assert_gone()


def test_a_second_launcher_in_the_same_directory_is_refused(netmorph, service) -> None:
    second = netmorph("up", "--data-dir", service.directory, "--port", 0)
    assert second.returncode == 1
    assert f"runs in {service.directory} already: {service.url}" in second.stderr
    assert ready(service.url)


def test_a_port_in_use_is_an_error_that_leaves_nothing(netmorph, directory) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        refused = netmorph("up", "--data-dir", directory, "--port", port)
    assert refused.returncode == 1
    assert refused.stderr.count("\n") == 1
    assert f"cannot listen on 127.0.0.1 port {port}: Address already in use" in refused.stderr
    assert not directory.exists()


@pytest.mark.parametrize("command", [["up"], ["search", "--dataset", "digits"]])
def test_an_unwritable_data_directory_is_an_error(netmorph, tmp_path, command) -> None:
    (tmp_path / "file").write_text("not a folder")
    refused = netmorph(*command, "--data-dir", tmp_path / "file" / "data")
    assert refused.returncode == 1
    assert refused.stderr.count("\n") == 1
    assert "cannot be written: Not a directory" in refused.stderr


def test_the_servers_of_the_environment_are_used(up, directory, database_url, broker_url) -> None:
    servers = {"NETMORPH_DATABASE_URL": database_url, "NETMORPH_BROKER_URL": broker_url}
    with up(directory, "--workers", 0, **servers) as service:
        (child,) = psutil.Process(service.process.pid).children()
        assert "api" in child.cmdline()
        assert ready(service.url)
    assert not (directory / "postgres").exists()


def test_a_database_that_is_not_there_is_an_error(netmorph, directory) -> None:
    url = "postgresql://nobody@127.0.0.1:1/nothing"
    refused = netmorph("up", "--data-dir", directory, "--port", 0, NETMORPH_DATABASE_URL=url)
    assert refused.returncode == 1
    assert refused.stderr.count("\n") == 1
    assert "the database cannot be migrated" in refused.stderr
