"""Every released schema becomes the models' schema, with its rows."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, create_engine, text

from api import db
from api.models.table import Base
from api.settings import DatabaseSettings
from api.store import leases, results
from core.protocol.contracts.leases import LeaseRequest
from core.protocol.contracts.results import TrialResult
from core.protocol.states import TrialStatus

RELEASES = sorted((Path(__file__).parent / "schemas").glob("*.sql"))

_CONSTRAINTS = """
SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint
WHERE connamespace = 'public'::regnamespace AND conrelid::regclass::text <> 'alembic_version'
ORDER BY 1, 2"""
_INDEXES = """
SELECT tablename, indexname, indexdef FROM pg_indexes
WHERE schemaname = 'public' AND tablename <> 'alembic_version' ORDER BY 1, 2"""
_COLUMNS = """
SELECT table_name, column_name, data_type, is_nullable, column_default
FROM information_schema.columns
WHERE table_schema = 'public' AND table_name <> 'alembic_version' ORDER BY 1, 2"""


@pytest.fixture
def url(empty_database_url: str) -> str:
    return DatabaseSettings(database_url=empty_database_url).database_url


@pytest.fixture
def engine(url: str) -> Iterator[Engine]:
    engine = create_engine(url)
    yield engine
    engine.dispose()


def described(connection: Connection) -> dict[str, list[tuple[object, ...]]]:
    """The schema in Postgres' own words."""
    return {
        name: [tuple(row) for row in connection.execute(text(query))]
        for name, query in (
            ("constraints", _CONSTRAINTS),
            ("indexes", _INDEXES),
            ("columns", _COLUMNS),
        )
    }


def test_the_migrations_build_the_schema_of_the_models(url: str, engine: Engine) -> None:
    """Constraints by their definitions: a changed CHECK under its old name is seen, too."""
    with engine.begin() as connection:
        Base.metadata.create_all(connection)
        modelled = described(connection)
        Base.metadata.drop_all(connection)
    db.migrate(url)
    with engine.connect() as connection:
        assert described(connection) == modelled
        context = MigrationContext.configure(connection)
        assert compare_metadata(context, Base.metadata) == []


def test_every_status_that_the_code_knows_has_its_check(url: str, engine: Engine) -> None:
    db.migrate(url)
    with engine.connect() as connection:
        checks = {row[1]: row[2] for row in described(connection)["constraints"]}
    assert all(f"'{status}'" in checks["ck_trials_status"] for status in TrialStatus)


def test_there_is_one_line_of_revisions_each_named_after_its_file(url: str) -> None:
    scripts = ScriptDirectory.from_config(db.migrations_config(url))

    (newest,) = scripts.get_heads()
    assert db.revisions(url) == (None, newest)
    for script in scripts.walk_revisions():
        assert Path(script.path).stem == script.revision


def test_every_migration_gives_up_soon_when_a_table_is_in_use(url: str) -> None:
    """A migration that waits for a lock makes everybody behind it wait as well."""
    for script in ScriptDirectory.from_config(db.migrations_config(url)).walk_revisions():
        assert "SET LOCAL lock_timeout" in Path(script.path).read_text()


def test_migrating_again_changes_nothing(url: str, engine: Engine) -> None:
    db.migrate(url)
    assert len(set(db.revisions(url))) == 1
    with engine.connect() as connection:
        before = described(connection)
    db.migrate(url)
    with engine.connect() as connection:
        assert described(connection) == before


def test_the_way_back_leaves_no_table(url: str, engine: Engine) -> None:
    db.migrate(url)
    command.downgrade(db.migrations_config(url), "base")
    with engine.connect() as connection:
        assert described(connection)["columns"] == []


def released(newest: int = 4) -> list[object]:
    """The rows of each release; those between the first and the newest few are slow to upgrade.

    The rows of the first release go through every migration, those of the newest through what a
    change is likely to touch.
    """
    quick = {RELEASES[0], *RELEASES[-newest:]}
    marks = {release: [] if release in quick else [pytest.mark.slow] for release in RELEASES}
    return [pytest.param(release, id=release.stem, marks=marks[release]) for release in RELEASES]


@pytest.mark.parametrize("release", released())
def test_every_release_upgrades_with_its_rows(url: str, engine: Engine, release: Path) -> None:
    """A database of any released version ends at the models, and its trials still move."""
    db.migrate(url, release.stem)
    with engine.begin() as connection:
        connection.exec_driver_sql(release.read_text())
    db.migrate(url)

    worker = LeaseRequest(worker_id=UUID(int=9), boot_id=UUID(int=8), name="w", device="cpu")
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        held = leases.take(connection, worker, UUID(int=7), timedelta(seconds=30)).held
        assert held is not None
        result = TrialResult(
            attempt=held.attempt, token=held.token, status=TrialStatus.COMPLETED, value=0.5
        )
        status = results.end_attempt(connection, held.trial_id, result, b"digest", 3)
    assert status is TrialStatus.COMPLETED


def test_every_revision_has_rows_to_upgrade(url: str) -> None:
    scripts = ScriptDirectory.from_config(db.migrations_config(url))
    revisions = {script.revision for script in scripts.walk_revisions()}

    assert {path.stem for path in RELEASES} == revisions
