"""A comparison is described in one sentence."""

import pytest

from core.protocol.contracts.results import Comparison
from core.search.comparison import sentence
from core.tasks import TASKS


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        (
            {"exported": "final"},
            "the final network has 91.20 % on 1,250 held-out examples, "
            "the winner's own weights 90.50 %",
        ),
        (
            {"exported": "final", "before": 0.913},
            "the final network has 91.20 % on 1,250 held-out examples, "
            "the winner's own weights 91.30 %: a difference within noise",
        ),
        (
            {"exported": "winner", "reason": "the final fit lost 3 examples."},
            "the winner's own weights are exported: the final fit lost 3 examples",
        ),
        (
            {"exported": "winner", "after": None},
            "the winner's own weights have 90.50 % on 1,250 held-out examples",
        ),
    ],
)
def test_a_comparison_in_words(facts, words):
    compared = {"examples": 1250, "before": 0.905, "after": 0.912} | facts
    assert sentence(Comparison(**compared), TASKS["image-classification"]()) == words
