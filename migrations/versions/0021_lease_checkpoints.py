"""Add the epoch of the last checkpoint that was reported under a lease.

`leases.stored_epoch` is 0 until then: reports that arrive late are told from new ones by it.

Expand step: old and new code both run on this schema.
"""

from alembic import op

revision = "0021_lease_checkpoints"
down_revision = "0020_worker_histories"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add a column that older code does not read."""
    op.execute("SET LOCAL lock_timeout = '5s'")  # fail fast rather than queue behind a long read
    op.execute("ALTER TABLE leases ADD COLUMN stored_epoch INTEGER DEFAULT 0 NOT NULL")


def downgrade() -> None:
    """Trust the order of reports again."""
    op.execute("ALTER TABLE leases DROP COLUMN stored_epoch")
