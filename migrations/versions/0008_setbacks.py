"""Add attempts that ended through no fault of their trial, and blobs that are damaged.

`setbacks` counts the attempts that ended because storage did not work: each next one waits longer.
`remark` says where a trial started in place of its parent's weights. `damaged` has the blobs that
are missing from storage or do not match their hash: no trial starts from them.

Expand step: old and new code both run on this schema.
"""

from alembic import op

revision = "0008_setbacks"
down_revision = "0007_checkpoints"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add columns with defaults, so that older code may leave them out, and a table."""
    op.execute("SET LOCAL lock_timeout = '5s'")  # fail fast rather than queue behind a long read
    op.execute("""
        ALTER TABLE trials
            ADD COLUMN setbacks INTEGER NOT NULL DEFAULT 0,
            ADD COLUMN remark VARCHAR NOT NULL DEFAULT ''
    """)
    op.execute("""
        CREATE TABLE damaged (
            blob_key VARCHAR NOT NULL,
            reason VARCHAR NOT NULL,
            found_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT now(),
            CONSTRAINT pk_damaged PRIMARY KEY (blob_key)
        )
    """)


def downgrade() -> None:
    """Forget setbacks, remarks and damage."""
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute("DROP TABLE damaged")
    op.execute("ALTER TABLE trials DROP COLUMN setbacks, DROP COLUMN remark")
