"""Add webhooks and their deliveries.

A delivery is written in the transaction of its event, so that none is lost; its `data` says what
happened and does not refer to the search, which may be deleted before it is sent.

Expand step: old and new code both run on this schema. Events that an old API process records are
not reported.
"""

from alembic import op

revision = "0014_webhooks"
down_revision = "0013_measures"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add two tables."""
    op.execute("SET LOCAL lock_timeout = '5s'")  # fail fast rather than queue behind a long read
    op.execute("""
        CREATE TABLE webhooks (
            id UUID NOT NULL CONSTRAINT pk_webhooks PRIMARY KEY,
            owner_id UUID NOT NULL CONSTRAINT fk_webhooks_owner_id REFERENCES keys (id),
            name VARCHAR NOT NULL,
            url VARCHAR NOT NULL,
            events JSONB NOT NULL,
            secret BYTEA NOT NULL,
            created_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT now()
        )""")
    op.execute("CREATE INDEX ix_webhooks_owner_id ON webhooks (owner_id)")
    op.execute("""
        CREATE TABLE deliveries (
            id UUID NOT NULL DEFAULT gen_random_uuid() CONSTRAINT pk_deliveries PRIMARY KEY,
            webhook_id UUID NOT NULL CONSTRAINT fk_deliveries_webhook_id
                REFERENCES webhooks (id) ON DELETE CASCADE,
            event VARCHAR NOT NULL,
            data JSONB NOT NULL,
            status VARCHAR NOT NULL DEFAULT 'pending',
            attempts INTEGER NOT NULL DEFAULT 0,
            due_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT now(),
            claimed_until TIMESTAMP WITH TIME ZONE,
            answer INTEGER,
            error VARCHAR NOT NULL DEFAULT '',
            created_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT now(),
            ended_at TIMESTAMP WITH TIME ZONE,
            CONSTRAINT ck_deliveries_status CHECK (status IN ('delivered', 'failed', 'pending'))
        )""")
    op.execute("CREATE INDEX ix_deliveries_due ON deliveries (due_at) WHERE status = 'pending'")
    op.execute(
        "CREATE INDEX ix_deliveries_webhook_created ON deliveries (webhook_id, created_at, id)"
    )


def downgrade() -> None:
    """Forget the webhooks."""
    op.execute("DROP TABLE deliveries")
    op.execute("DROP TABLE webhooks")
