"""Trials that people see have the columns of their rows."""

from api.models.trials import Trial
from api.schemas.trials import TrialOut


def test_a_field_of_a_trial_is_its_column_of_the_same_name() -> None:
    """Fields that are added to both need no line in the store."""
    shared = TrialOut.model_fields.keys() & Trial.__table__.columns.keys()
    assert {"value", "latency", "precision", "validation_loss", "choices"} <= shared
