"""Add checkpoints of trainings, and leases that outlast a silence.

A trial has the last stored state of its training (`checkpoint_*`), from which its next lease
continues; `resumed_epoch` of a lease says after which epoch it does. `silent_at` is the time at
which the controller noticed that a lease is not renewed: from then on its holder has a third of the
lease to be heard again.

Expand step: old and new code both run on this schema.
"""

from alembic import op

revision = "0007_checkpoints"
down_revision = "0006_dataset_versions"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add columns that older code leaves at their defaults."""
    op.execute("SET LOCAL lock_timeout = '5s'")  # fail fast rather than queue behind a long read
    op.execute("""
        ALTER TABLE trials
            ADD COLUMN checkpoint_key VARCHAR,
            ADD COLUMN checkpoint_bytes BIGINT,
            ADD COLUMN checkpoint_attempt INTEGER,
            ADD COLUMN checkpoint_epoch INTEGER NOT NULL DEFAULT 0,
            ADD COLUMN checkpoint_seconds FLOAT,
            ADD CONSTRAINT ck_trials_checkpoint_seconds_finite CHECK (
                checkpoint_seconds > '-Infinity'::float8
                AND checkpoint_seconds < 'Infinity'::float8
            )
    """)
    op.execute("""
        CREATE INDEX ix_trials_checkpoint ON trials (checkpoint_key)
            WHERE checkpoint_key IS NOT NULL
    """)
    op.execute("""
        ALTER TABLE leases
            ADD COLUMN resumed_epoch INTEGER NOT NULL DEFAULT 0,
            ADD COLUMN silent_at TIMESTAMPTZ
    """)


def downgrade() -> None:
    """Forget the checkpoints: trials that run go on, interrupted ones start again."""
    op.execute("ALTER TABLE leases DROP COLUMN resumed_epoch, DROP COLUMN silent_at")
    op.execute("""
        ALTER TABLE trials DROP COLUMN checkpoint_key, DROP COLUMN checkpoint_bytes,
            DROP COLUMN checkpoint_attempt, DROP COLUMN checkpoint_epoch,
            DROP COLUMN checkpoint_seconds
    """)
