"""Add which trials' networks a final fit joins.

`members` has their numbers, the winner's first; empty where a final fit is of the winner alone, and
in all other trials.

Expand step: old and new code both run on this schema.
"""

from alembic import op

revision = "0005_members"
down_revision = "0004_choices"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add a column with a default, so that older code may leave it out."""
    op.execute("SET LOCAL lock_timeout = '5s'")  # fail fast rather than queue behind a long read
    op.execute("ALTER TABLE trials ADD COLUMN members JSONB NOT NULL DEFAULT '[]'::jsonb")


def downgrade() -> None:
    """Forget which networks were joined."""
    op.execute("ALTER TABLE trials DROP COLUMN members")
