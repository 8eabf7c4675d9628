"""Add the end of a key's life, and the secrets that keys had before.

`keys.expires_at` is the time from which a key opens nothing; null: it opens until it is revoked.
`retired_secrets` has the hashes of replaced secrets, so that one which was revoked never opens
again; a rotated one opens until `valid_until`.

Expand step: old and new code both run on this schema.
"""

from alembic import op

revision = "0009_key_life"
down_revision = "0008_setbacks"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add a column that may be null, and a table that older code does not read."""
    op.execute("SET LOCAL lock_timeout = '5s'")  # fail fast rather than queue behind a long read
    op.execute("ALTER TABLE keys ADD COLUMN expires_at TIMESTAMP WITH TIME ZONE")
    op.execute(
        """
        CREATE TABLE retired_secrets (
            hash BYTEA NOT NULL,
            key_id UUID NOT NULL,
            valid_until TIMESTAMP WITH TIME ZONE,
            CONSTRAINT pk_retired_secrets PRIMARY KEY (hash),
            CONSTRAINT fk_retired_secrets_key_id FOREIGN KEY (key_id)
                REFERENCES keys (id) ON DELETE CASCADE
        )
        """
    )


def downgrade() -> None:
    """Forget when keys end, and which secrets were replaced."""
    op.execute("DROP TABLE retired_secrets")
    op.execute("ALTER TABLE keys DROP COLUMN expires_at")
