"""The schema of the first release.

Plain SQL, as it must stay what it was whatever becomes of the models.
"""

from alembic import op

revision = "0001_start"
down_revision = None
branch_labels = None
depends_on = None


_DISCARDED = """
CREATE TABLE discarded (
    blob_key VARCHAR NOT NULL,
    blob_bytes BIGINT NOT NULL,
    discarded_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT pk_discarded PRIMARY KEY (blob_key)
);
"""

_KEYS = """
CREATE TABLE keys (
    id UUID NOT NULL,
    name VARCHAR NOT NULL,
    role VARCHAR NOT NULL,
    prefix VARCHAR NOT NULL,
    hash BYTEA NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    last_used_at TIMESTAMP WITH TIME ZONE,
    revoked_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT pk_keys PRIMARY KEY (id),
    CONSTRAINT ck_keys_role CHECK (role IN ('admin', 'user', 'worker')),
    CONSTRAINT uq_keys_hash UNIQUE (hash)
);
"""

_LEADER = """
CREATE TABLE leader (
    id INTEGER NOT NULL,
    holder UUID NOT NULL,
    expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_leader PRIMARY KEY (id),
    CONSTRAINT ck_leader_one_row CHECK (id = 1)
);
"""

_WORKERS = """
CREATE TABLE workers (
    id UUID NOT NULL,
    boot_id UUID NOT NULL,
    name VARCHAR NOT NULL,
    device VARCHAR NOT NULL,
    threads INTEGER NOT NULL,
    seen_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT pk_workers PRIMARY KEY (id)
);
"""

_DATASETS = """
CREATE TABLE datasets (
    id UUID NOT NULL,
    owner_id UUID,
    name VARCHAR NOT NULL,
    builtin BOOLEAN NOT NULL,
    task VARCHAR NOT NULL,
    spec JSONB NOT NULL,
    blob_key VARCHAR NOT NULL,
    blob_bytes BIGINT NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT pk_datasets PRIMARY KEY (id),
    CONSTRAINT ck_datasets_builtin_has_no_owner CHECK (builtin = (owner_id IS NULL)),
    CONSTRAINT fk_datasets_owner_id FOREIGN KEY(owner_id) REFERENCES keys (id)
);
CREATE UNIQUE INDEX uq_datasets_builtin ON datasets (name) WHERE builtin;
CREATE UNIQUE INDEX uq_datasets_owner_name ON datasets (owner_id, name);
"""

_SESSIONS = """
CREATE TABLE sessions (
    token_hash BYTEA NOT NULL,
    key_id UUID NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
    CONSTRAINT pk_sessions PRIMARY KEY (token_hash),
    CONSTRAINT fk_sessions_key_id FOREIGN KEY(key_id) REFERENCES keys (id) ON DELETE CASCADE
);
CREATE INDEX ix_sessions_key_id ON sessions (key_id);
"""

_SEARCHES = """
CREATE TABLE searches (
    id UUID NOT NULL,
    owner_id UUID NOT NULL,
    dataset_id UUID NOT NULL,
    name VARCHAR NOT NULL,
    status VARCHAR NOT NULL,
    reason VARCHAR DEFAULT '' NOT NULL,
    config JSONB NOT NULL,
    bounds JSONB NOT NULL,
    parallelism INTEGER NOT NULL,
    trial_limit INTEGER,
    epoch_limit INTEGER,
    trials_deadline FLOAT,
    next_number INTEGER DEFAULT '0' NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    started_at TIMESTAMP WITH TIME ZONE,
    ended_at TIMESTAMP WITH TIME ZONE,
    CONSTRAINT pk_searches PRIMARY KEY (id),
    CONSTRAINT ck_searches_status
        CHECK (
            status IN ('completed', 'failed', 'finishing', 'paused', 'pending', 'running',
                'stopped')
        ),
    CONSTRAINT ck_searches_trials_deadline_finite
        CHECK (
            trials_deadline > '-Infinity'::float8 AND trials_deadline < 'Infinity'::float8
        ),
    CONSTRAINT fk_searches_owner_id FOREIGN KEY(owner_id) REFERENCES keys (id),
    CONSTRAINT fk_searches_dataset_id FOREIGN KEY(dataset_id) REFERENCES datasets (id)
);
CREATE INDEX ix_searches_created ON searches (created_at, id);
CREATE INDEX ix_searches_dataset_id ON searches (dataset_id);
CREATE INDEX ix_searches_live ON searches (id)
    WHERE status IN ('finishing', 'paused', 'pending', 'running');
CREATE INDEX ix_searches_owner_created ON searches (owner_id, created_at, id);
"""

_IDEMPOTENCY = """
CREATE TABLE idempotency (
    owner_id UUID NOT NULL,
    key VARCHAR NOT NULL,
    digest BYTEA NOT NULL,
    search_id UUID NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    CONSTRAINT pk_idempotency PRIMARY KEY (owner_id, key),
    CONSTRAINT fk_idempotency_owner_id
        FOREIGN KEY(owner_id) REFERENCES keys (id) ON DELETE CASCADE,
    CONSTRAINT fk_idempotency_search_id
        FOREIGN KEY(search_id) REFERENCES searches (id) ON DELETE CASCADE
);
CREATE INDEX ix_idempotency_search_id ON idempotency (search_id);
"""

_TRIALS = """
CREATE TABLE trials (
    id UUID NOT NULL,
    search_id UUID NOT NULL,
    number INTEGER NOT NULL,
    kind VARCHAR NOT NULL,
    status VARCHAR NOT NULL,
    attempt INTEGER DEFAULT '1' NOT NULL,
    reason VARCHAR DEFAULT '' NOT NULL,
    parent_id UUID,
    morphisms JSONB NOT NULL,
    architecture JSONB NOT NULL,
    fingerprint VARCHAR NOT NULL,
    layers INTEGER NOT NULL,
    parameters BIGINT NOT NULL,
    flops BIGINT NOT NULL,
    inherited BOOLEAN NOT NULL,
    predicted_mean FLOAT,
    predicted_std FLOAT,
    hyperparameters JSONB,
    epochs_reserved INTEGER DEFAULT '0' NOT NULL,
    epochs_spent INTEGER DEFAULT '0' NOT NULL,
    created_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    available_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    ring_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    rings INTEGER DEFAULT '0' NOT NULL,
    started_at TIMESTAMP WITH TIME ZONE,
    ended_at TIMESTAMP WITH TIME ZONE,
    worker VARCHAR,
    value FLOAT,
    value_std FLOAT,
    epochs INTEGER DEFAULT '0' NOT NULL,
    best_epoch INTEGER,
    seconds FLOAT,
    samples_per_second FLOAT,
    weights_key VARCHAR,
    weights_bytes BIGINT,
    test_metric FLOAT,
    test_loss FLOAT,
    test_examples INTEGER,
    export_key VARCHAR,
    export_bytes BIGINT,
    report_digest BYTEA,
    CONSTRAINT pk_trials PRIMARY KEY (id),
    CONSTRAINT ck_trials_status
        CHECK (
            status IN ('completed', 'failed', 'infeasible', 'lost', 'running', 'stopped',
                'waiting')
        ),
    CONSTRAINT ck_trials_kind CHECK (kind IN ('final', 'search')),
    CONSTRAINT ck_trials_predicted_mean_finite
        CHECK (predicted_mean > '-Infinity'::float8 AND predicted_mean < 'Infinity'::float8),
    CONSTRAINT ck_trials_predicted_std_finite
        CHECK (predicted_std > '-Infinity'::float8 AND predicted_std < 'Infinity'::float8),
    CONSTRAINT ck_trials_value_finite
        CHECK (value > '-Infinity'::float8 AND value < 'Infinity'::float8),
    CONSTRAINT ck_trials_value_std_finite
        CHECK (value_std > '-Infinity'::float8 AND value_std < 'Infinity'::float8),
    CONSTRAINT ck_trials_seconds_finite
        CHECK (seconds > '-Infinity'::float8 AND seconds < 'Infinity'::float8),
    CONSTRAINT ck_trials_samples_per_second_finite
        CHECK (
            samples_per_second > '-Infinity'::float8 AND samples_per_second < 'Infinity'::float8
        ),
    CONSTRAINT ck_trials_test_metric_finite
        CHECK (test_metric > '-Infinity'::float8 AND test_metric < 'Infinity'::float8),
    CONSTRAINT ck_trials_test_loss_finite
        CHECK (test_loss > '-Infinity'::float8 AND test_loss < 'Infinity'::float8),
    CONSTRAINT ck_trials_completed_has_value
        CHECK (status <> 'completed' OR kind = 'final' OR value IS NOT NULL),
    CONSTRAINT ck_trials_attempt CHECK (attempt >= 1),
    CONSTRAINT ck_trials_epochs CHECK (epochs_spent >= 0 AND epochs_reserved >= 0),
    CONSTRAINT uq_trials_search_id_number UNIQUE (search_id, number),
    CONSTRAINT fk_trials_search_id
        FOREIGN KEY(search_id) REFERENCES searches (id) ON DELETE CASCADE,
    CONSTRAINT fk_trials_parent_id FOREIGN KEY(parent_id) REFERENCES trials (id)
);
CREATE INDEX ix_trials_best ON trials (search_id, value)
    WHERE kind = 'search' AND value IS NOT NULL;
CREATE INDEX ix_trials_ended ON trials (search_id, ended_at)
    WHERE kind = 'search' AND ended_at IS NOT NULL;
CREATE INDEX ix_trials_export ON trials (export_key) WHERE export_key IS NOT NULL;
CREATE INDEX ix_trials_live ON trials (search_id) WHERE status IN ('waiting', 'running');
CREATE INDEX ix_trials_parent ON trials (parent_id) WHERE parent_id IS NOT NULL;
CREATE INDEX ix_trials_waiting ON trials (available_at) WHERE status = 'waiting';
CREATE INDEX ix_trials_weights ON trials (weights_key) WHERE weights_key IS NOT NULL;
CREATE UNIQUE INDEX uq_trials_final ON trials (search_id) WHERE kind = 'final';
CREATE UNIQUE INDEX uq_trials_fingerprint ON trials (search_id, fingerprint) WHERE kind = 'search';
"""

_VERSIONS = """
CREATE TABLE versions (
    search_id UUID NOT NULL,
    version BIGINT DEFAULT '1' NOT NULL,
    CONSTRAINT pk_versions PRIMARY KEY (search_id),
    CONSTRAINT fk_versions_search_id
        FOREIGN KEY(search_id) REFERENCES searches (id) ON DELETE CASCADE
);
"""

_EPOCHS = """
CREATE TABLE epochs (
    trial_id UUID NOT NULL,
    attempt INTEGER NOT NULL,
    epoch INTEGER NOT NULL,
    train_loss FLOAT,
    validation_loss FLOAT,
    validation_metric FLOAT,
    learning_rate FLOAT,
    seconds FLOAT NOT NULL,
    CONSTRAINT pk_epochs PRIMARY KEY (trial_id, attempt, epoch),
    CONSTRAINT ck_epochs_train_loss_finite
        CHECK (train_loss > '-Infinity'::float8 AND train_loss < 'Infinity'::float8),
    CONSTRAINT ck_epochs_validation_loss_finite
        CHECK (
            validation_loss > '-Infinity'::float8 AND validation_loss < 'Infinity'::float8
        ),
    CONSTRAINT ck_epochs_validation_metric_finite
        CHECK (
            validation_metric > '-Infinity'::float8 AND validation_metric < 'Infinity'::float8
        ),
    CONSTRAINT ck_epochs_learning_rate_finite
        CHECK (learning_rate > '-Infinity'::float8 AND learning_rate < 'Infinity'::float8),
    CONSTRAINT ck_epochs_seconds_finite
        CHECK (seconds > '-Infinity'::float8 AND seconds < 'Infinity'::float8),
    CONSTRAINT fk_epochs_trial_id FOREIGN KEY(trial_id) REFERENCES trials (id) ON DELETE CASCADE
);
"""

_LEASES = """
CREATE TABLE leases (
    trial_id UUID NOT NULL,
    attempt INTEGER NOT NULL,
    token UUID NOT NULL,
    worker_id UUID NOT NULL,
    boot_id UUID NOT NULL,
    leased_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    heard_at TIMESTAMP WITH TIME ZONE DEFAULT now() NOT NULL,
    expires_at TIMESTAMP WITH TIME ZONE NOT NULL,
    stop_at TIMESTAMP WITH TIME ZONE,
    step BIGINT DEFAULT '0' NOT NULL,
    epochs INTEGER DEFAULT '0' NOT NULL,
    CONSTRAINT pk_leases PRIMARY KEY (trial_id),
    CONSTRAINT fk_leases_trial_id
        FOREIGN KEY(trial_id) REFERENCES trials (id) ON DELETE CASCADE,
    CONSTRAINT fk_leases_worker_id FOREIGN KEY(worker_id) REFERENCES workers (id)
)
 WITH (fillfactor = 50);
CREATE INDEX ix_leases_worker_id ON leases (worker_id);
"""

# Each after those it refers to.
_TABLES = (
    _DISCARDED,
    _KEYS,
    _LEADER,
    _WORKERS,
    _DATASETS,
    _SESSIONS,
    _SEARCHES,
    _IDEMPOTENCY,
    _TRIALS,
    _VERSIONS,
    _EPOCHS,
    _LEASES,
)


def upgrade() -> None:
    """Create all tables."""
    op.execute("SET LOCAL lock_timeout = '5s'")  # fail fast rather than queue behind a long read
    for statements in _TABLES:
        op.execute(statements)


def downgrade() -> None:
    """Drop all tables."""
    for table in (
        "leases",
        "epochs",
        "versions",
        "trials",
        "idempotency",
        "searches",
        "sessions",
        "datasets",
        "workers",
        "leader",
        "keys",
        "discarded",
    ):
        op.execute(f"DROP TABLE {table}")
