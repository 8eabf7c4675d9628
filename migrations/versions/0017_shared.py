"""Add whether a search is shared: all users of the service may read it.

Expand step: old and new code both run on this schema; no search is shared that nobody has shared.
"""

from alembic import op

revision = "0017_shared"
down_revision = "0016_traceparent"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the switch, off, and an index of those that are shared."""
    op.execute("SET LOCAL lock_timeout = '5s'")  # fail fast rather than queue behind a long read
    op.execute("ALTER TABLE searches ADD COLUMN shared BOOLEAN DEFAULT false NOT NULL")
    op.execute("CREATE INDEX ix_searches_shared ON searches (created_at, id) WHERE shared")


def downgrade() -> None:
    """Share no search."""
    op.execute("ALTER TABLE searches DROP COLUMN shared")
