"""Add operations: imports that go on after their request has been answered.

`holder` is the API process that carries an operation out, `heard_at` its last sign of life. The
data set of an operation may be deleted before the operation is forgotten.

Expand step: old and new code both run on this schema. An old API process starts no operation.
"""

from alembic import op

revision = "0022_operations"
down_revision = "0021_lease_checkpoints"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add a table that older code does not read."""
    op.execute("SET LOCAL lock_timeout = '5s'")  # fail fast rather than queue behind a long read
    op.execute("""
        CREATE TABLE operations (
            id UUID NOT NULL CONSTRAINT pk_operations PRIMARY KEY,
            owner_id UUID NOT NULL CONSTRAINT fk_operations_owner_id
                REFERENCES keys (id) ON DELETE CASCADE,
            kind VARCHAR NOT NULL,
            name VARCHAR NOT NULL,
            status VARCHAR NOT NULL DEFAULT 'running',
            step VARCHAR NOT NULL DEFAULT '',
            dataset_id UUID CONSTRAINT fk_operations_dataset_id
                REFERENCES datasets (id) ON DELETE SET NULL,
            problem JSONB,
            holder UUID NOT NULL,
            heard_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT now(),
            created_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT now(),
            ended_at TIMESTAMP WITH TIME ZONE,
            CONSTRAINT ck_operations_status CHECK (status IN ('done', 'failed', 'running')),
            CONSTRAINT ck_operations_kind CHECK (kind IN ('builtin', 'upload')),
            CONSTRAINT ck_operations_ended CHECK ((status = 'running') = (ended_at IS NULL)),
            CONSTRAINT ck_operations_failed_has_problem
                CHECK ((status = 'failed') = (problem IS NOT NULL))
        )""")
    op.execute("CREATE INDEX ix_operations_owner_created ON operations (owner_id, created_at, id)")
    op.execute("CREATE INDEX ix_operations_running ON operations (holder) WHERE status = 'running'")
    op.execute("CREATE INDEX ix_operations_dataset_id ON operations (dataset_id)")


def downgrade() -> None:
    """Forget the operations."""
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute("DROP TABLE operations")
