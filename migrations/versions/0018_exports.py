"""Add exports of single trials: rows of `trials` of a kind of their own, which no list shows.

Expand step: old and new code both run on this schema. Old code cannot read such a row, so update
all API processes before a trial is exported.
"""

from alembic import op

revision = "0018_exports"
down_revision = "0017_shared"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Allow trials of the kind `export`."""
    op.execute("SET LOCAL lock_timeout = '5s'")  # fail fast rather than queue behind a long read
    _check("kind IN ('export', 'final', 'former', 'search')")


def downgrade() -> None:
    """Delete the exports; the next collection removes their files."""
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute("DELETE FROM trials WHERE kind = 'export'")
    _check("kind IN ('final', 'former', 'search')")


def _check(condition: str) -> None:
    """Replace the CHECK of the kinds of trials."""
    op.execute("ALTER TABLE trials DROP CONSTRAINT ck_trials_kind")
    op.execute(f"ALTER TABLE trials ADD CONSTRAINT ck_trials_kind CHECK ({condition})")
