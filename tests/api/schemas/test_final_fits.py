"""Comparisons of final fits, as data and in words."""

from typing import Any

from api.schemas.final_fits import ComparisonOut
from core.tasks import TASKS


def test_a_comparison_is_shown_with_its_sentence_and_none_stays_none() -> None:
    task = TASKS["image-classification"]()
    kept: dict[str, Any] = {"examples": 250, "before": 0.9, "after": 0.95, "exported": "final"}
    shown = ComparisonOut.of(kept, task)
    assert shown is not None
    assert shown.text.startswith("the final network has 95.00 % on 250 held-out examples")
    assert ComparisonOut.of(None, task) is None
