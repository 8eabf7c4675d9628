"""The lineage of a trial, in words."""

import pytest

from core.search.lineage import continuing
from netmorph import lineage
from tests.netmorph.samples import FINISHED, LONGER, NEW, SEARCH, TRIALS, WIDER


def test_a_lineage_begins_at_the_root() -> None:
    line = lineage.ancestry(TRIALS, 4)  # type: ignore[arg-type]

    assert lineage.in_words(line, SEARCH) == [  # type: ignore[arg-type]
        "trial 0: a root (90.00 %)",
        "trial 2: widen convolution 1 from 8 to 16 filters, then add a skip from 3 to 7 (95.68 %)",
        "trial 4: continues trial 2",
    ]


def test_a_lineage_of_a_search_from_a_given_network_begins_at_that_network() -> None:
    line = lineage.ancestry(TRIALS, 0)  # type: ignore[arg-type]
    search = SEARCH | {"root": "0192f0c4"}
    assert lineage.in_words(line, search) == [  # type: ignore[arg-type]
        "trial 0: the given network (90.00 %)"
    ]


def test_a_lineage_without_its_end_or_its_start() -> None:
    assert lineage.ancestry(TRIALS, 99) == []  # type: ignore[arg-type]
    assert lineage.ancestry([WIDER], 2) == [WIDER]  # type: ignore[list-item]


def test_the_winner_is_the_trial_of_the_final_fit_or_else_the_best_one() -> None:
    final = FINISHED["final"] | {"of_number": 5}
    assert lineage.winner(FINISHED | {"final": final}) == 5  # type: ignore[arg-type]
    assert lineage.winner(SEARCH) == 2  # type: ignore[arg-type]
    assert lineage.winner(NEW) is None  # type: ignore[arg-type]


@pytest.mark.parametrize("changes", ["", "augmentation warp, mixing 0.2"])
def test_a_continued_training_is_described_as_on_the_dashboard(changes: str) -> None:
    text = lineage.steps(LONGER | {"changes": changes}, "; ")  # type: ignore[arg-type]

    assert text == continuing(2, changes)
