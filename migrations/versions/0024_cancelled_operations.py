"""Let operations end as cancelled, with a problem that says who has cancelled them.

Expand step: old and new code both run on this schema. Old code cannot read a cancelled operation,
so update all API processes before one is cancelled.
"""

from alembic import op

revision = "0024_cancelled_operations"
down_revision = "0023_priority"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Allow a further status, which has a problem as a failure has."""
    op.execute("SET LOCAL lock_timeout = '5s'")  # fail fast rather than queue behind a long read
    op.execute(
        "ALTER TABLE operations DROP CONSTRAINT ck_operations_status, "
        "DROP CONSTRAINT ck_operations_failed_has_problem, ADD CONSTRAINT ck_operations_status "
        "CHECK (status IN ('cancelled', 'done', 'failed', 'running')), "
        "ADD CONSTRAINT ck_operations_has_problem "
        "CHECK ((status IN ('cancelled', 'failed')) = (problem IS NOT NULL))"
    )


def downgrade() -> None:
    """Let cancelled operations be failed ones."""
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute("UPDATE operations SET status = 'failed' WHERE status = 'cancelled'")
    op.execute(
        "ALTER TABLE operations DROP CONSTRAINT ck_operations_status, "
        "DROP CONSTRAINT ck_operations_has_problem, ADD CONSTRAINT ck_operations_status "
        "CHECK (status IN ('done', 'failed', 'running')), "
        "ADD CONSTRAINT ck_operations_failed_has_problem "
        "CHECK ((status = 'failed') = (problem IS NOT NULL))"
    )
