"""Add trials.latency: measured seconds for one example.

Expand step: old and new code both run on this schema.
"""

from alembic import op

revision = "0002_latency"
down_revision = "0001_start"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add a column that older code leaves empty; the CHECK holds for rows without it."""
    op.execute("SET LOCAL lock_timeout = '5s'")  # fail fast rather than queue behind a long read
    op.execute("ALTER TABLE trials ADD COLUMN latency FLOAT")
    op.execute("""
        ALTER TABLE trials ADD CONSTRAINT ck_trials_latency
            CHECK (latency > 0 AND latency < 'Infinity'::float8)
    """)


def downgrade() -> None:
    """Forget what was measured."""
    op.execute("ALTER TABLE trials DROP COLUMN latency")
