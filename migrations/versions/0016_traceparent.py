"""Add the trace of the request that created a search; null where it was not traced.

Expand step: old and new code both run on this schema.
"""

from alembic import op

revision = "0016_traceparent"
down_revision = "0015_worker_rests"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add a column that may be null."""
    op.execute("SET LOCAL lock_timeout = '5s'")  # fail fast rather than queue behind a long read
    op.execute("ALTER TABLE searches ADD COLUMN traceparent VARCHAR")


def downgrade() -> None:
    """Forget the traces."""
    op.execute("ALTER TABLE searches DROP COLUMN traceparent")
