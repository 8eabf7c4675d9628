"""The commands of the API image refuse in one line what cannot work."""

import os
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, HTTPServer

import psycopg
import pytest

from api.commands import main


@dataclass
class Done:
    returncode: int
    stderr: str


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Done]:
    """Runs a command with these settings alone."""

    def command(line: str, **settings: str) -> Done:
        for name in [name for name in os.environ if name.startswith("NETMORPH_")]:
            monkeypatch.delenv(name)
        for name, value in settings.items():
            monkeypatch.setenv(f"NETMORPH_{name}", value)
        code = main(line.split())
        return Done(code, capsys.readouterr().err)

    return command


COMPLETE = {
    "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none",
    "BROKER_URL": "redis://127.0.0.1:1",
    "STORAGE_URL": "file:///nowhere",
    "ADMIN_KEY": "netmorph_" + "a" * 43,
    "WORKER_KEY": "netmorph_" + "w" * 43,
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
        ("serve", COMPLETE | {"ADMIN_KEY": "hunter2"}, "NETMORPH_ADMIN_KEY has 7 characters"),
        ("serve", COMPLETE | {"LEASE_SECONDS": "nan"}, "NETMORPH_LEASE_SECONDS"),
        ("serve", COMPLETE, "the database cannot be reached"),
        ("serve --migrate", COMPLETE, "the database cannot be migrated"),
        ("serve --migrate", COMPLETE | {"ADMIN_KEY": ""}, "NETMORPH_ADMIN_KEY is empty"),
    ],
)
def test_an_impossible_command_is_refused_in_one_line(
    run: Callable[..., Done], command: str, settings: dict[str, str], reason: str
) -> None:
    done = run(command, **settings)

    assert done.returncode == 2
    assert reason in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_database_without_the_newest_schema_is_not_served_from(
    run: Callable[..., Done], empty_database_url: str
) -> None:
    done = run("serve", **COMPLETE | {"DATABASE_URL": empty_database_url})

    assert done.returncode == 2
    assert "run `python -P -m api migrate` first" in done.stderr


@pytest.mark.parametrize("command", ["migrate", "serve --migrate"])
def test_a_database_of_a_newer_version_is_left_as_it_is(
    run: Callable[..., Done], empty_database_url: str, command: str
) -> None:
    with psycopg.connect(empty_database_url.replace("+psycopg", "")) as connection:
        connection.execute("CREATE TABLE alembic_version (version_num varchar(32))")
        connection.execute("INSERT INTO alembic_version VALUES ('9999_future')")

    done = run(command, **COMPLETE | {"DATABASE_URL": empty_database_url})

    assert done.returncode == 2
    assert "revision 9999_future, which a newer version has made" in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(("status", "code"), [(200, 0), (503, 2)])
def test_an_api_is_healthy_where_it_answers_that_it_is(
    run: Callable[..., Done], status: int, code: int
) -> None:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status if self.path == "/healthz" else 404)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        done = run(f"healthcheck --port {server.server_port}")
        thread.join()

    assert done.returncode == code
    assert done.stderr == ("the API answered 503\n" if code else "")


def test_an_api_that_does_not_answer_is_not_healthy(run: Callable[..., Done]) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]

    done = run(f"healthcheck --port {port}")

    assert done.returncode == 2
    assert "does not answer" in done.stderr
