"""Add what users may change while a search runs, and after.

- A search has tags and a note.
- An extended search keeps its earlier final fits as trials of the kind `former`, whose results have
  no value either.
- `trials.stopping` is why a user stops a running trial; empty otherwise.
- `trials.network_id` is the uploaded network of a trial that a user has enqueued, `enqueued` holds
  those that are no trials yet.
- A draining worker gets no more trials.

Expand step: old and new code both run on this schema. Old code cannot read a former final fit, so
update all API processes before a search is extended.
"""

from alembic import op

revision = "0011_steering"
down_revision = "0010_networks"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add columns with defaults, a table, and a kind of trial."""
    op.execute("SET LOCAL lock_timeout = '5s'")  # fail fast rather than queue behind a long read
    op.execute("""
        ALTER TABLE searches
            ADD COLUMN tags JSONB NOT NULL DEFAULT '[]',
            ADD COLUMN note VARCHAR NOT NULL DEFAULT ''""")
    op.execute("ALTER TABLE workers ADD COLUMN draining BOOLEAN NOT NULL DEFAULT false")
    op.execute("""
        ALTER TABLE trials
            ADD COLUMN stopping VARCHAR NOT NULL DEFAULT '',
            ADD COLUMN network_id UUID
                CONSTRAINT fk_trials_network_id REFERENCES networks (id)""")
    op.execute("CREATE INDEX ix_trials_network ON trials (network_id) WHERE network_id IS NOT NULL")
    op.execute("""
        CREATE TABLE enqueued (
            search_id UUID NOT NULL CONSTRAINT fk_enqueued_search_id
                REFERENCES searches (id) ON DELETE CASCADE,
            network_id UUID NOT NULL CONSTRAINT fk_enqueued_network_id REFERENCES networks (id),
            created_at TIMESTAMP WITH TIME ZONE NOT NULL DEFAULT now(),
            CONSTRAINT pk_enqueued PRIMARY KEY (search_id, network_id)
        )""")
    op.execute("CREATE INDEX ix_enqueued_network_id ON enqueued (network_id)")
    _check("kind", "kind IN ('final', 'former', 'search')")
    _check("completed_has_value", "status <> 'completed' OR kind <> 'search' OR value IS NOT NULL")


def downgrade() -> None:
    """Forget tags, notes, enqueued networks and earlier final fits."""
    op.execute("SET LOCAL lock_timeout = '5s'")
    op.execute("UPDATE trials SET kind = 'search', status = 'stopped' WHERE kind = 'former'")
    _check("kind", "kind IN ('final', 'search')")
    _check("completed_has_value", "status <> 'completed' OR kind = 'final' OR value IS NOT NULL")
    op.execute("DROP TABLE enqueued")
    op.execute("ALTER TABLE trials DROP COLUMN stopping, DROP COLUMN network_id")
    op.execute("ALTER TABLE workers DROP COLUMN draining")
    op.execute("ALTER TABLE searches DROP COLUMN tags, DROP COLUMN note")


def _check(name: str, condition: str) -> None:
    """Replace a CHECK of the trials."""
    op.execute(f"ALTER TABLE trials DROP CONSTRAINT ck_trials_{name}")
    op.execute(f"ALTER TABLE trials ADD CONSTRAINT ck_trials_{name} CHECK ({condition})")
