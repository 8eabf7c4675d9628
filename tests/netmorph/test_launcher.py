"""The launcher: it runs every part, restarts what ends, and leaves no process behind."""

import json
import signal
import socket
import stat
import subprocess
import sys
from pathlib import Path

import httpx
import psutil
import pytest

from netmorph.client import Client
from netmorph.data_directory import DataDirectory
from netmorph.launcher import end_leftovers, listening
from netmorph.local_service import LocalService, cores, is_alive
from tests.netmorph.conftest import has_ended


def get(url: str, path: str, key: str = "") -> httpx.Response:
    """An answer of the service."""
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    return httpx.get(url + path, headers=headers, trust_env=False, timeout=30)


def ready(url: str) -> bool:
    """Whether the service answers."""
    try:
        return get(url, "/readyz").status_code == 200
    except httpx.TransportError:
        return False


def recorded(directory: Path) -> set[int]:
    """The processes that a successor of the launcher would end."""
    return {record["pid"] for record in json.loads((directory / "children.json").read_text())}


@pytest.mark.parametrize(
    "number",
    [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.slow)],  # see tests/e2e, too
)
def test_a_signal_ends_every_process(up, directory, number) -> None:
    with up(directory) as service:
        for name in ("keys.json", "service.json"):  # the owner's alone
            assert stat.S_IMODE((directory / name).stat().st_mode) == 0o600
        assert ready(service.url)
        assert is_alive(service.url)()
        assert get(service.url, "/v1/searches", service.key).json()["items"] == []
        assert get(service.url, "/v1/searches", "netmorph_wrong").status_code == 401
        assert len(service.children()) >= 4  # postgres, valkey, api, worker
        service.process.send_signal(number)
        assert service.process.wait(60) == 0
    service.assert_gone()
    left = {path.name for path in directory.iterdir()}
    assert left.isdisjoint({"service.json", "children.json"})


def threads_of_workers(service) -> list[str]:
    """The number of threads that each worker got."""
    return [
        process.environ()["NETMORPH_THREADS"]
        for process in service.programs()
        if "worker" in process.cmdline()
    ]


def test_after_kill_9_of_the_launcher_a_new_one_takes_over(up, directory) -> None:
    with up(directory, "--workers", 2) as service:
        threads = str(max(1, cores() // 2))
        assert threads_of_workers(service) == [threads] * 2
        service.process.kill()
        service.process.wait()
        with up(directory) as successor:
            service.assert_gone()
            assert ready(successor.url)
            assert successor.key == service.key
            assert get(successor.url, "/v1/searches", service.key).status_code == 200
    successor.assert_gone()


def test_only_the_recorded_process_is_ended_and_no_later_one_with_its_number(tmp_path) -> None:
    directory = DataDirectory(tmp_path)
    command = [sys.executable, "-c", "import time; time.sleep(1000)"]
    with subprocess.Popen(command) as left_over, subprocess.Popen(command) as stranger:
        created = [psutil.Process(process.pid).create_time() for process in (left_over, stranger)]
        records = [
            {"pid": left_over.pid, "created": created[0]},
            {"pid": stranger.pid, "created": created[1] - 1.0},
        ]
        directory.write("children.json", records)
        directory.write("service.json", {"url": "http://127.0.0.1:1", "pid": 1})

        end_leftovers(directory)

        assert has_ended(left_over.pid)
        assert stranger.poll() is None
        stranger.kill()
    assert list(tmp_path.iterdir()) == []


def test_a_killed_child_is_started_again(up, directory) -> None:
    with up(directory) as service, Client(service.url, service.key) as client:
        assert list(client.searches()) == []
        names = {"worker": "worker-1", "valkey-server": "valkey"}
        for word in ("api", "worker", "valkey-server", "postgres"):
            victim = service.child(word)
            victim.kill()
            service.wait_for(f"{names.get(word, word)} is running again")
            assert victim.pid not in recorded(directory)
            assert service.child(word).pid in recorded(directory)
            assert list(client.searches()) == []  # retried while the API reconnects
            service.children()
    service.assert_gone()


def test_a_second_launcher_in_the_same_directory_is_refused(netmorph, service) -> None:
    second = netmorph("up", "--data-dir", service.directory, "--port", 0)
    assert second.returncode == 1
    assert f"already running in {service.directory}: at {service.url}" in second.stderr
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


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_no_other_program_can_take_the_address_while_the_service_starts(tmp_path, host) -> None:
    service = LocalService(directory=DataDirectory(tmp_path), host=host, port=0, workers=0)
    with listening(service) as held, socket.socket(held.family) as stranger:
        stranger.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with pytest.raises(OSError, match="Address already in use"):
            stranger.bind((host, held.getsockname()[1]))


@pytest.mark.slow
def test_an_api_that_is_stopped_is_restarted(up, directory) -> None:
    with up(directory) as service, Client(service.url, service.key) as client:
        stopped = service.child("api")
        stopped.suspend()
        service.wait_for("api is running again")
        assert service.child("api").pid != stopped.pid
        assert list(client.searches()) == []
        service.children()
    service.assert_gone()


@pytest.mark.slow
def test_a_worker_that_is_stopped_is_restarted(up, directory) -> None:
    with up(directory) as service:
        service.child("worker").suspend()
        service.wait_for("worker-1 is running again")
        service.children()
    service.assert_gone()


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
        (child,) = service.programs()
        assert "api" in child.cmdline()
        assert ready(service.url)
    assert not (directory / "postgres").exists()


def test_a_database_that_is_not_there_is_an_error(netmorph, directory) -> None:
    url = "postgresql://nobody@127.0.0.1:1/nothing"
    refused = netmorph("up", "--data-dir", directory, "--port", 0, NETMORPH_DATABASE_URL=url)
    assert refused.returncode == 1
    assert refused.stderr.count("\n") == 1
    assert "the database cannot be migrated" in refused.stderr
