"""What finished searches say of a new one, against ridge regression and made-up searches."""

import numpy as np
import pytest
from scipy.stats import spearmanr
from sklearn.linear_model import Ridge

from benchmarks.histories import history, of_depth
from core.errors import InvalidInput
from core.graph.architecture import Architecture
from core.similarity.edit_distance import Floats
from core.similarity.encoding import NodeEncoder
from core.similarity.graph_features import NAMES, graph_features
from core.surrogate import FEWEST_SEARCHES, FEWEST_VALUES
from core.surrogate.fitting import Observation, fit, learn_prior_mean
from core.surrogate.prior_mean import WEIGHT, PriorMean

NETWORKS = [[trial.architecture for trial in history(12, seed=seed)] for seed in range(4)]
UNSEEN = of_depth(15, 30)


def log_parameters(architectures: list[Architecture]) -> Floats:
    return np.log([one.parameters for one in architectures])


def searches(count: int = 3) -> list[tuple[list[Architecture], Floats]]:
    """Searches in which larger networks are better, at several levels."""
    return [
        (networks, level + log_parameters(networks))
        for level, networks in enumerate(NETWORKS[:count])
    ]


def learned(count: int = 3) -> PriorMean:
    found = PriorMean.of(searches(count))
    assert found is not None
    return found


def test_the_slopes_are_those_of_a_ridge_regression_within_searches() -> None:
    encoder, rows, values = NodeEncoder(), [], []
    for networks, z in searches():
        x = graph_features(networks, encoder.encode(networks), encoder.facts)
        rows.append(x - x.mean(axis=0))
        values.append(z - z.mean())
    x, z = np.concatenate(rows), np.concatenate(values)
    spread = np.maximum(x.std(axis=0), 1e-9)
    oracle = Ridge(alpha=10.0, fit_intercept=False).fit(x / spread, z)

    np.testing.assert_allclose(np.array(learned().slopes) * spread, oracle.coef_, atol=1e-9)


def test_the_level_of_a_search_does_not_matter() -> None:
    shifted = [(networks, z + 7.0 * k) for k, (networks, z) in enumerate(searches())]

    np.testing.assert_allclose(PriorMean.of(shifted).slopes, learned().slopes, atol=1e-9)


def test_few_searches_and_short_ones_say_nothing() -> None:
    few = searches(FEWEST_SEARCHES - 1)
    short = [(networks[: FEWEST_VALUES - 1], z[: FEWEST_VALUES - 1]) for networks, z in searches()]

    assert PriorMean.of(few) is None
    assert PriorMean.of(short) is None
    assert PriorMean.of([*few, *short]) is None


@pytest.mark.parametrize("slopes", [(1.0,), (np.nan,) * len(NAMES), (1e7,) * len(NAMES)])
def test_slopes_that_are_none_are_refused(slopes) -> None:
    with pytest.raises(InvalidInput, match="expected 10 numbers"):
        PriorMean(slopes)


def test_before_any_value_the_prior_mean_ranks_networks() -> None:
    surrogate = fit([], landmarks=NETWORKS[3], prior_mean=learned())
    mean, _ = surrogate.standard_posterior(surrogate.geometry.points(UNSEEN))

    assert spearmanr(mean, log_parameters(UNSEEN)).statistic > 0.8


def test_values_outweigh_a_prior_mean_that_does_not_hold() -> None:
    networks = [one for three in NETWORKS[1:] for one in three]
    seen = [
        Observation(one, -float(size))
        for one, size in zip(networks, log_parameters(networks), strict=True)
    ]
    surrogate = fit(seen, prior_mean=learned())
    mean, _ = surrogate.posterior(surrogate.geometry.points(UNSEEN))

    assert spearmanr(mean, log_parameters(UNSEEN)).statistic < -0.8


def test_few_values_are_predicted_better_with_what_earlier_searches_have_shown() -> None:
    rng = np.random.default_rng(0)
    with_prior, without = [], []
    for _ in range(6):
        few = [UNSEEN[index] for index in rng.permutation(len(UNSEEN))[:4]]
        noisy = log_parameters(few) + rng.normal(0, 0.2, 4)
        seen = [Observation(one, float(value)) for one, value in zip(few, noisy, strict=True)]
        for results, prior_mean in ((with_prior, learned()), (without, None)):
            surrogate = fit(seen, prior_mean=prior_mean)
            mean, _ = surrogate.posterior(surrogate.geometry.points(UNSEEN))
            results.append(spearmanr(mean, log_parameters(UNSEEN)).statistic)

    assert np.mean(with_prior) > np.mean(without)


def test_a_kernel_that_does_not_see_forms_has_no_prior_mean() -> None:
    surrogate = fit([], "edit", landmarks=NETWORKS[3], prior_mean=learned())
    mean, _ = surrogate.standard_posterior(surrogate.geometry.points(UNSEEN))

    assert not mean.any()


def test_early_values_of_finished_searches_are_compared_at_the_end_of_a_training() -> None:
    """Small networks are trained to the end, large ones are not: they are better all the same."""
    histories = []
    for networks in NETWORKS[:3]:
        size = log_parameters(networks)
        size = (size - size.mean()) / size.std()
        late = [Observation(a, float(0.7 + 0.05 * s)) for a, s in zip(networks, size, strict=True)]
        early = [
            Observation(a, float(0.7 + 0.05 * s - 0.3), fidelity=0.1)
            for a, s in zip(networks, size, strict=True)
            if s > 0
        ]
        histories.append(
            [
                *(one for one, s in zip(late, size, strict=True) if s <= 0),
                *early,
                late[int(size.argmax())],
            ]
        )
    found = learn_prior_mean(histories)
    assert found is not None
    surrogate = fit([], landmarks=NETWORKS[3], prior_mean=found)
    mean, _ = surrogate.standard_posterior(surrogate.geometry.points(UNSEEN))

    assert spearmanr(mean, log_parameters(UNSEEN)).statistic > 0.3
    assert 0 < WEIGHT < 1
