"""A search that is larger than a page."""

import pytest
from sqlalchemy import text

from core.protocol.contracts.budgets import Budget


@pytest.fixture
def large(visitor, world):
    """A search of 620 trials whose best is the last but one, and whose last is running."""
    search_id = world.search(visitor.caller, cost="parameters", budget=Budget(trials=1000))
    with world.sessions.begin() as session:
        session.execute(
            text("""
                INSERT INTO trials (id, search_id, number, kind, status, morphisms, architecture,
                    fingerprint, layers, parameters, flops, inherited, value, epochs, ended_at,
                    report_digest)
                SELECT gen_random_uuid(), :search, n, 'search', 'completed', '[]', '{}', n::text, 3,
                    1000 - n, 1000, false, n / 1000.0, 1, now(), '\\x01'
                FROM generate_series(0, 618) AS n"""),
            {"search": search_id},
        )
        session.execute(
            text("UPDATE searches SET next_number = 619 WHERE id = :search"), {"search": search_id}
        )
    running = world.trial(search_id, status="running")
    with world.sessions.begin() as session:
        for trial, value in ((running, 0.25), (best_of(session, search_id), 0.5)):
            row = {"trial": trial, "value": value}
            session.execute(
                text("""
                    INSERT INTO epochs (trial_id, attempt, epoch, validation_metric, seconds)
                    VALUES (:trial, 1, 1, :value, 1)"""),
                row,
            )
    return search_id


def best_of(session, search_id):
    statement = text("SELECT id FROM trials WHERE search_id = :search AND number = 618")
    return session.execute(statement, {"search": search_id}).scalar_one()
