"""Add networks that users upload, and the one that a search starts from.

`searches.root_id` repeats `config.root`, so that a network cannot be deleted while a search needs
it; NULL where a search chooses its own roots.

Expand step: old and new code both run on this schema.
"""

from alembic import op

revision = "0010_networks"
down_revision = "0009_key_life"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add a table, and a column that may be null."""
    op.execute("SET LOCAL lock_timeout = '5s'")  # fail fast rather than queue behind a long read
    op.execute("""
        CREATE TABLE networks (
            id UUID NOT NULL CONSTRAINT pk_networks PRIMARY KEY,
            owner_id UUID NOT NULL CONSTRAINT fk_networks_owner_id REFERENCES keys (id),
            name VARCHAR NOT NULL,
            digest BYTEA NOT NULL,
            architecture JSONB NOT NULL,
            fingerprint VARCHAR NOT NULL,
            blob_key VARCHAR,
            blob_bytes BIGINT,
            created_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT now()
        )""")
    op.execute("CREATE UNIQUE INDEX uq_networks_owner_digest ON networks (owner_id, digest)")
    op.execute("CREATE INDEX ix_networks_blob ON networks (blob_key) WHERE blob_key IS NOT NULL")
    op.execute(
        "ALTER TABLE searches ADD COLUMN root_id UUID "
        "CONSTRAINT fk_searches_root_id REFERENCES networks (id)"
    )
    op.execute("CREATE INDEX ix_searches_root_id ON searches (root_id)")


def downgrade() -> None:
    """Forget the networks; searches that started from one keep their trials."""
    op.execute("ALTER TABLE searches DROP COLUMN root_id")
    op.execute("DROP TABLE networks")
