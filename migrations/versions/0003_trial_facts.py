"""Add what else a trial's result says, and let a trial continue the training of its parent.

`precision` is how the numbers were computed, `validation_loss` that of the weights that the value
is of, `value_at_rung` the value after the first part of the training, `comparison` the final
network beside the winner. A trial that continues its parent's training has its parent's
architecture, so fingerprints are not unique within a search any more; no statement looks trials up
by them, so no index takes the place of the unique one.

Expand step: old and new code both run on this schema.
"""

from alembic import op

revision = "0003_trial_facts"
down_revision = "0002_latency"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add columns that older code leaves empty; drop an index that older code never breaks."""
    op.execute("SET LOCAL lock_timeout = '5s'")  # fail fast rather than queue behind a long read
    op.execute("ALTER TABLE trials ADD COLUMN precision VARCHAR")
    op.execute("ALTER TABLE trials ADD COLUMN validation_loss FLOAT")
    op.execute("ALTER TABLE trials ADD COLUMN value_at_rung FLOAT")
    op.execute("ALTER TABLE trials ADD COLUMN comparison JSONB")
    for column in ("validation_loss", "value_at_rung"):
        op.execute(f"""
            ALTER TABLE trials ADD CONSTRAINT ck_trials_{column}_finite
                CHECK ({column} > '-Infinity'::float8 AND {column} < 'Infinity'::float8)
        """)
    op.execute("DROP INDEX uq_trials_fingerprint")


def downgrade() -> None:
    """Forget the facts; fails where a search has two trials of one architecture."""
    op.execute("""
        CREATE UNIQUE INDEX uq_trials_fingerprint ON trials (search_id, fingerprint)
            WHERE kind = 'search'
    """)
    for column in ("comparison", "value_at_rung", "validation_loss", "precision"):
        op.execute(f"ALTER TABLE trials DROP COLUMN {column}")
