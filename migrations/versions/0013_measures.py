"""Add further measures of a network, in the units of the user's data.

`measures` is of a trial's validation examples, `test_measures` of the test: [["RMSE", 54.3]], as
JSONB does not keep the order of names; null where a task type has none, and for trials that an
older release trained.

Expand step: old and new code both run on this schema.
"""

from alembic import op

revision = "0013_measures"
down_revision = "0012_led_since"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add two columns that may be null."""
    op.execute("SET LOCAL lock_timeout = '5s'")  # fail fast rather than queue behind a long read
    op.execute("ALTER TABLE trials ADD COLUMN measures JSONB")
    op.execute("ALTER TABLE trials ADD COLUMN test_measures JSONB")


def downgrade() -> None:
    """Forget the measures."""
    op.execute("ALTER TABLE trials DROP COLUMN test_measures")
    op.execute("ALTER TABLE trials DROP COLUMN measures")
