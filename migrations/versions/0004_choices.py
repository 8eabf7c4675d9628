"""Add what a search has changed of how a trial is trained.

`choices` has the changed hyperparameters by name, those inherited from the parent included; empty
where the trial is trained as chosen for the data.

Expand step: old and new code both run on this schema.
"""

from alembic import op

revision = "0004_choices"
down_revision = "0003_trial_facts"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add a column with a default, so that older code may leave it out."""
    op.execute("SET LOCAL lock_timeout = '5s'")  # fail fast rather than queue behind a long read
    op.execute("ALTER TABLE trials ADD COLUMN choices JSONB NOT NULL DEFAULT '{}'::jsonb")


def downgrade() -> None:
    """Forget what was changed."""
    op.execute("ALTER TABLE trials DROP COLUMN choices")
