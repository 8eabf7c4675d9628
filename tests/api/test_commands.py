"""The commands of the API image refuse in one line what cannot work."""

import os
import socket
import subprocess
import sys

import pytest


def run(command: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """Run a command with these settings alone."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("NETMORPH_")}
    return subprocess.run(
        [sys.executable, "-P", "-m", "api", *command.split()],
        env=clean | {f"NETMORPH_{name}": value for name, value in settings.items()},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


COMPLETE = {
    "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none",
    "BROKER_URL": "redis://127.0.0.1:1",
    "STORAGE_URL": "file:///nowhere",
    "ADMIN_KEY": "netmorph_a",
    "WORKER_KEY": "netmorph_w",
}


@pytest.mark.parametrize(
    ("command", "settings", "reason"),
    [
        ("migrate", {}, "NETMORPH_DATABASE_URL: Field required"),
        ("migrate", {"DATABASE_URL": "mysql://x"}, "found scheme 'mysql'"),
        ("migrate", COMPLETE, "the database cannot be migrated"),
        ("serve", {}, "NETMORPH_STORAGE_URL: Field required"),
        ("serve", COMPLETE | {"ADMIN_KEY": ""}, "NETMORPH_ADMIN_KEY is empty"),
        ("serve", COMPLETE | {"WORKER_KEY": ""}, "NETMORPH_WORKER_KEY is empty"),
        ("serve", COMPLETE | {"LEASE_SECONDS": "nan"}, "NETMORPH_LEASE_SECONDS"),
        ("serve", COMPLETE, "the database cannot be reached"),
    ],
)
def test_what_cannot_work_is_refused_in_one_line(
    command: str, settings: dict[str, str], reason: str
) -> None:
    done = run(command, **settings)

    assert done.returncode == 2
    assert reason in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_database_without_the_newest_schema_is_not_served_from(empty_database_url: str) -> None:
    done = run("serve", **COMPLETE | {"DATABASE_URL": empty_database_url})

    assert done.returncode == 2
    assert "run `python -P -m api migrate` first" in done.stderr


def test_an_api_that_does_not_answer_is_not_healthy() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]

    done = run(f"healthcheck --port {port}")

    assert done.returncode == 2
    assert "does not answer" in done.stderr
