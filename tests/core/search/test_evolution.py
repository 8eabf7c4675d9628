"""Evolution: old trials leave the population, and the better of the others have children."""

from collections import Counter

import pytest

from core.errors import InvalidInput
from core.search.strategies import strategy
from tests.core.search.test_baselines import parents, suggested


def test_evolution_drops_old_trials_even_good_ones():
    suggestions = suggested("evolution", count=40, population=5, tournament=2)
    assert set(parents(suggestions)) <= {5, 6, 7, 8, 9}


def test_evolution_prefers_the_better_of_the_living():
    counts = Counter(parents(suggested("evolution", count=60, population=10, tournament=4)))
    # The best is in four of ten tournaments; by chance it would have six children.
    assert counts[3] > 2 * 60 / 10
    assert len(counts) > 2  # but not the best alone
    final = suggested("evolution", count=8, population=10, tournament=10)
    assert parents(final) == [3] * 8


@pytest.mark.parametrize("options", [{"tournament": 0}, {"population": 3, "tournament": 4}])
def test_an_impossible_tournament_is_refused(options):
    with pytest.raises(InvalidInput, match="1 <= tournament <= population"):
        strategy("evolution", options)
