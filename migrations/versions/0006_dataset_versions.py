"""Add versions of data sets, the time of the last upload, and how the files were understood.

A second content under a name that its owner uses already is the next version; the name means the
version that was uploaded last.

Expand step: old and new code both run on this schema. Old code adds no further versions, and may
answer an upload under a name of several versions with an error.
"""

from alembic import op

revision = "0006_dataset_versions"
down_revision = "0005_members"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add columns with defaults; a name is unique together with its version."""
    op.execute("SET LOCAL lock_timeout = '5s'")  # fail fast rather than queue behind a long read
    op.execute("""
        ALTER TABLE datasets
            ADD COLUMN version INTEGER NOT NULL DEFAULT 1,
            ADD COLUMN uploaded_at TIMESTAMPTZ NOT NULL DEFAULT now(),
            ADD COLUMN description JSONB,
            ADD CONSTRAINT ck_datasets_version CHECK (version >= 1)""")
    op.execute("UPDATE datasets SET uploaded_at = created_at")
    op.execute("""
        CREATE UNIQUE INDEX uq_datasets_owner_name_version
            ON datasets (owner_id, name, version)""")
    op.execute("""
        CREATE UNIQUE INDEX uq_datasets_builtin_version
            ON datasets (name, version) WHERE builtin""")
    op.execute("DROP INDEX uq_datasets_owner_name")
    op.execute("DROP INDEX uq_datasets_builtin")


def downgrade() -> None:
    """Forget descriptions; a later version keeps its data, with its number in its name."""
    op.execute("UPDATE datasets SET name = name || ' version ' || version WHERE version > 1")
    op.execute("CREATE UNIQUE INDEX uq_datasets_owner_name ON datasets (owner_id, name)")
    op.execute("CREATE UNIQUE INDEX uq_datasets_builtin ON datasets (name) WHERE builtin")
    op.execute("DROP INDEX uq_datasets_owner_name_version")
    op.execute("DROP INDEX uq_datasets_builtin_version")
    op.execute("""
        ALTER TABLE datasets DROP COLUMN version, DROP COLUMN uploaded_at,
            DROP COLUMN description""")
