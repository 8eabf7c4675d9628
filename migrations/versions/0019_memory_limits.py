"""Add what is learned of the memory of each kind of device.

`workers.memory` is the memory of the worker's device; 0 for workers of an older release.
`trials.training_memory` is the estimated memory of the training; null for trials that older code
has made. `memory_limits` has a row for each kind of device on which a training ran out of memory.

Expand step: old and new code both run on this schema.
"""

from alembic import op

revision = "0019_memory_limits"
down_revision = "0018_exports"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add columns that older code does not read, and an empty table."""
    op.execute("SET LOCAL lock_timeout = '5s'")  # fail fast rather than queue behind a long read
    op.execute("ALTER TABLE workers ADD COLUMN memory BIGINT DEFAULT 0 NOT NULL")
    op.execute("ALTER TABLE trials ADD COLUMN training_memory BIGINT")
    op.execute(
        "CREATE TABLE memory_limits ("
        "device VARCHAR NOT NULL, memory BIGINT NOT NULL, exceeded BIGINT, "
        "exceeded_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL, fitted BIGINT, "
        "CONSTRAINT pk_memory_limits PRIMARY KEY (device, memory))"
    )


def downgrade() -> None:
    """Forget what was learned."""
    op.execute("DROP TABLE memory_limits")
    op.execute("ALTER TABLE trials DROP COLUMN training_memory")
    op.execute("ALTER TABLE workers DROP COLUMN memory")
