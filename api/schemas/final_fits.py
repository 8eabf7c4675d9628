"""Results of final fits: tests, and comparisons with the winner."""

from typing import Any, Self
from uuid import UUID

from pydantic import Field

from api.schemas.bodies import Out
from api.schemas.fields import EnsembleWords, ExportBytes, Latency, MeasuresOut, Members, Precision
from core.protocol.contracts.results import Comparison
from core.search.comparison import sentence
from core.tasks import AbstractTask


class ComparisonOut(Comparison):
    """The final network compared with the winner it was trained on from, as data and in words."""

    text: str = Field(
        description='the comparison in words: "the final network has 91.20 % on 250 held-out '
        'examples, …"'
    )

    @classmethod
    def of(cls, kept: dict[str, Any] | None, task: AbstractTask) -> Self | None:
        """The comparison that a trial keeps; None where the worker did not compare them."""
        if kept is None:
            return None
        comparison = Comparison.model_validate(kept)
        return cls(**comparison.model_dump(), text=sentence(comparison, task))


class FinalOut(Out):
    """The result of the final fit."""

    trial_id: UUID = Field(description="id of the trial of the final fit")
    of_number: int = Field(description="number of the trial that was trained on")
    test_metric: float = Field(description="metric on the test split")
    test_loss: float = Field(description="loss on the test split")
    test_examples: int = Field(description="examples of the test split")
    test_measures: MeasuresOut = Field(default={})
    parameters: int | None = Field(
        description="parameters of the exported network; null if unknown"
    )
    latency: Latency
    members: Members
    ensemble: EnsembleWords
    export_bytes: ExportBytes
    precision: Precision
    comparison: ComparisonOut | None = Field(
        description="comparison with the winner that it was trained on from; null if there was none"
    )
