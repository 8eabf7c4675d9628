"""Add what workers trained: their id with each trial, and the attempts that failed.

`trials.worker_id` is the id of the worker that trained a trial last; null for trials that older
code has leased. Workers are forgotten a day after they were seen, trials are not, so it is no
foreign key. `failed_attempts` has the attempts of the last day after which the trial was tried
again. The index is built at once, as no row is in it yet.

Expand step: old and new code both run on this schema.
"""

from alembic import op

revision = "0020_worker_histories"
down_revision = "0019_memory_limits"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add a column that older code does not read, its index, and an empty table."""
    op.execute("SET LOCAL lock_timeout = '5s'")  # fail fast rather than queue behind a long read
    op.execute("ALTER TABLE trials ADD COLUMN worker_id UUID")
    op.execute(
        "CREATE INDEX ix_trials_worker ON trials (worker_id, ended_at, id) "
        "WHERE worker_id IS NOT NULL AND ended_at IS NOT NULL"
    )
    op.execute(
        "CREATE TABLE failed_attempts ("
        "trial_id UUID NOT NULL, ended_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL, "
        "attempt INTEGER NOT NULL, worker_id UUID NOT NULL, reason VARCHAR NOT NULL, "
        "CONSTRAINT pk_failed_attempts PRIMARY KEY (trial_id, ended_at), "
        "CONSTRAINT fk_failed_attempts_trial_id FOREIGN KEY (trial_id) "
        "REFERENCES trials (id) ON DELETE CASCADE)"
    )
    op.execute(
        "CREATE INDEX ix_failed_attempts_worker_ended ON failed_attempts (worker_id, ended_at)"
    )


def downgrade() -> None:
    """Forget which worker trained which trial, but for its name."""
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute("DROP TABLE failed_attempts")
    op.execute("DROP INDEX ix_trials_worker")
    op.execute("ALTER TABLE trials DROP COLUMN worker_id")
