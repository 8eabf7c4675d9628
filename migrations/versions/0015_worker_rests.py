"""Add rests of workers that cannot read what others can, and the keys that workers belong to.

`workers.resting_until`: until then it gets no trials; `problem` says why, `rests` counts those in a
row. `workers.key_id` is the key that the worker uses; null for workers of an older release.
`keys.worker` is the only worker name that a key may use; null: any name.

Expand step: old and new code both run on this schema.
"""

from alembic import op

revision = "0015_worker_rests"
down_revision = "0014_webhooks"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add columns that older code does not read."""
    op.execute("SET LOCAL lock_timeout = '5s'")  # fail fast rather than queue behind a long read
    op.execute("ALTER TABLE workers ADD COLUMN problem VARCHAR DEFAULT '' NOT NULL")
    op.execute("ALTER TABLE workers ADD COLUMN rests INTEGER DEFAULT 0 NOT NULL")
    op.execute("ALTER TABLE workers ADD COLUMN resting_until TIMESTAMP WITH TIME ZONE")
    op.execute("ALTER TABLE workers ADD COLUMN key_id UUID")
    op.execute(
        "ALTER TABLE workers ADD CONSTRAINT fk_workers_key_id FOREIGN KEY (key_id) "
        "REFERENCES keys (id) ON DELETE SET NULL"
    )
    op.execute("ALTER TABLE keys ADD COLUMN worker VARCHAR")


def downgrade() -> None:
    """Forget rests and the bindings of keys."""
    op.execute("ALTER TABLE keys DROP COLUMN worker")
    op.execute("ALTER TABLE workers DROP COLUMN key_id")
    op.execute("ALTER TABLE workers DROP COLUMN resting_until")
    op.execute("ALTER TABLE workers DROP COLUMN rests")
    op.execute("ALTER TABLE workers DROP COLUMN problem")
