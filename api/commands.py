"""The commands of the API image: migrate, serve, healthcheck, load.

Each command imports what it needs when it runs. A health check runs every few seconds: with all
imports of the service it would take a second of a processor each time.
"""

# ruff: noqa: PLC0415

import argparse
import contextlib
import json
import socket
import sys
from dataclasses import fields
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException

from api.load.options import QUICK, Load
from core.protocol.startup import uncollected

_LEAST_KEY = 20  # characters
_START_FAILED = 3  # exit status, as uvicorn's own
_ANSWER_SECONDS = 4.0  # for an answer to a health check


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return the exit status."""
    options = _parser().parse_args(arguments)
    if options.command == "healthcheck":
        return _healthcheck(options)
    from pydantic import ValidationError

    commands = {"migrate": _migrate, "serve": _serve, "load": _load}
    try:
        return commands[options.command](options)
    except ValidationError as error:
        return _refuse("; ".join(_sentence(one) for one in error.errors()))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m api", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("migrate", help="bring the database schema up to date")
    serve = commands.add_parser("serve", help="serve the REST interface and the dashboard")
    health = commands.add_parser("healthcheck", help="check that a running API answers")
    for command in (serve, health):
        command.add_argument("--host", default="127.0.0.1")
        command.add_argument("--port", type=int, default=8000)
    load = commands.add_parser("load", help="measure the service under simulated workers")
    load.add_argument("--quick", action="store_true", help="a small load")
    for field in fields(Load):
        kind = type(field.default)
        load.add_argument(f"--{field.name}", type=kind, default=field.default)
    serve.add_argument("--fd", type=int, help="descriptor of a socket that listens already")
    serve.add_argument("--migrate", action="store_true", help="first do what `migrate` does")
    return parser


def _migrate(_: argparse.Namespace) -> int:
    """Bring the schema up to date."""
    with uncollected():
        from sqlalchemy.exc import DBAPIError

        from api import db
        from api.settings import DatabaseSettings

    url = DatabaseSettings().database_url
    try:
        found, newest = db.revisions(url)
        if found is not None and found > newest:
            return _refuse(
                f"the database cannot be migrated: its schema is at revision {found}, which a "
                f"newer version has made; expected {newest} at most"
            )
        if found != newest:
            db.migrate(url)
    except DBAPIError as error:
        return _refuse(f"the database cannot be migrated: {error.orig}")
    return 0


def _serve(options: argparse.Namespace) -> int:
    """Serve until a signal; refused while a key is empty or the schema is old."""
    from api.settings import Settings

    settings = Settings()
    for name in ("admin_key", "worker_key"):
        if fault := _key_fault(getattr(settings, name).get_secret_value()):
            return _refuse(f"NETMORPH_{name.upper()} {fault}")
    if options.migrate and (status := _migrate(options)):
        return status
    if (problem := _schema_problem(settings.database_url)) is not None:
        return _refuse(problem)
    with uncollected():
        import uvicorn

        from api.app import create_app
        from api.edge import logs
        from api.edge.server import Server, server_options
        from core.protocol import tracing

        logs.set_up(settings.log_format, settings.log_level)
        tracing.set_up("netmorph-api")
        app = create_app(settings)
    config = uvicorn.Config(
        app,
        host=options.host,
        port=options.port,
        log_config=None,  # set up above
        timeout_graceful_shutdown=5,
        **server_options(settings),
    )
    server = Server(config, app.state.changes)
    with contextlib.suppress(KeyboardInterrupt):
        server.run(None if options.fd is None else [socket.socket(fileno=options.fd)])
    return 0 if server.started else _START_FAILED


def _load(options: argparse.Namespace) -> int:
    """Print the figures of a measurement as JSON."""
    from api.load.measure import measure
    from api.settings import Settings

    chosen = Load(**{field.name: getattr(options, field.name) for field in fields(Load)})
    print(json.dumps(measure(Settings(), QUICK if options.quick else chosen)))
    return 0


def _key_fault(raw: str) -> str:
    """Why a key of the settings is refused; empty where it is not. Short keys can be guessed."""
    if len(raw) >= _LEAST_KEY:
        return ""
    found = f"has {len(raw)} characters" if raw else "is empty"
    return f"{found}; expected a random key of at least {_LEAST_KEY} characters"


def _schema_problem(database_url: str) -> str | None:
    """Why the API cannot serve from the database; None where it can."""
    with uncollected():
        from sqlalchemy.exc import DBAPIError

        from api import db

    try:
        found, newest = db.revisions(database_url)
    except DBAPIError as error:
        return f"the database cannot be reached: {error.orig}"
    if found == newest:
        return None
    return (
        f"the database schema is at revision {found}, expected {newest}: "
        "run `python -P -m api migrate` first"
    )


def _healthcheck(options: argparse.Namespace) -> int:
    """Zero when the API answers that it is alive."""
    connection = HTTPConnection(options.host, options.port, timeout=_ANSWER_SECONDS)
    try:
        connection.request("GET", "/healthz")
        status = connection.getresponse().status
    except (OSError, HTTPException) as error:
        return _refuse(f"the API does not answer: {error}")
    finally:
        connection.close()
    return 0 if status == HTTPStatus.OK else _refuse(f"the API answered {status}")


def _sentence(error: object) -> str:
    """A wrong setting in one sentence, by the name of its environment variable."""
    assert isinstance(error, dict)
    name = "_".join(str(part) for part in error["loc"]).upper()
    return f"NETMORPH_{name}: {error['msg']}"


def _refuse(reason: str) -> int:
    """Print the reason on one line."""
    print(" ".join(reason.split()), file=sys.stderr)
    return 2
