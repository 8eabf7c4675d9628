"""Add the priority of a search, and the rank of its trials in the queue.

`trials.queue_rank` repeats the priority of the search, so that the next trial is the first entry of
an index. Trials that older code adds have the rank of the usual priority. Older code orders them by
`available_at` alone, for which its own index stays.

Expand step: old and new code both run on this schema.
"""

from alembic import op

revision = "0023_priority"
down_revision = "0022_operations"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add two columns that older code does not read, and the index of the queue."""
    op.execute("SET LOCAL lock_timeout = '5s'")  # fail fast rather than queue behind a long read
    op.execute(
        "ALTER TABLE searches ADD COLUMN priority VARCHAR DEFAULT 'normal' NOT NULL "
        "CONSTRAINT ck_searches_priority CHECK (priority IN ('high', 'low', 'normal'))"
    )
    op.execute("ALTER TABLE trials ADD COLUMN queue_rank SMALLINT DEFAULT 0 NOT NULL")
    op.execute(
        "CREATE INDEX ix_trials_queue ON trials (queue_rank DESC, available_at) "
        "WHERE status = 'waiting'"
    )


def downgrade() -> None:
    """Lease the trial that waits longest again, whatever its search."""
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute("DROP INDEX ix_trials_queue")
    op.execute("ALTER TABLE trials DROP COLUMN queue_rank")
    op.execute("ALTER TABLE searches DROP COLUMN priority")
