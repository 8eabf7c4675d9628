"""Add when the present controller began to decide, without a gap since.

A lease that was last heard before that says nothing about its trial: no attempt is counted.

Expand step: old and new code both run on this schema.
"""

from alembic import op

revision = "0012_led_since"
down_revision = "0011_steering"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add a column with a default."""
    op.execute("SET LOCAL lock_timeout = '5s'")  # fail fast rather than queue behind a long read
    op.execute(
        "ALTER TABLE leader ADD COLUMN since TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT now()"
    )


def downgrade() -> None:
    """Forget when the controller began."""
    op.execute("ALTER TABLE leader DROP COLUMN since")
