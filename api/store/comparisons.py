"""How final networks compare with the winners they were trained on from, as people see it."""

from api.models import Trial
from api.schemas import ComparisonOut
from core.protocol.contracts import Comparison
from core.search.comparison import sentence


def of(trial: Trial) -> ComparisonOut | None:
    """A final network beside its search's winner; None where the worker did not compare them."""
    if trial.comparison is None:
        return None
    comparison = Comparison.model_validate(trial.comparison)
    return ComparisonOut(**comparison.model_dump(), text=sentence(comparison))
