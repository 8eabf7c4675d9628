"""R² and its companions, compared with scikit-learn's."""

import numpy as np
import pytest
import torch
from sklearn.metrics import mean_absolute_error, r2_score, root_mean_squared_error

from worker.tasks import LOSSES
from worker.trainer.data.target_scale import TargetScale

LOSS = LOSSES["regression"]()


def made(targets: int, offset: float = 0.0, scale: float = 1.0) -> tuple[TargetScale, np.ndarray]:
    rng = np.random.default_rng(targets)
    y = offset + scale * rng.normal(size=(60, targets)) * np.arange(1, targets + 1)
    names = tuple(f"y{k}" for k in range(targets))
    return TargetScale.of(y, np.arange(40), names), y


@pytest.mark.parametrize("targets", [1, 3])
@pytest.mark.parametrize(("offset", "scale"), [(0, 1), (1e8, 1e-2), (-3e-13, 1e-13), (0, 1e90)])
def test_metric_and_measures_are_those_of_scikit_learn_in_the_users_units(targets, offset, scale):
    known, y = made(targets, offset, scale)
    outputs = known.standardised(y) * 0.8 + 0.1
    predicted = known.restored(outputs)
    found = torch.from_numpy(outputs), torch.from_numpy(known.standardised(y))

    assert LOSS.metric(*found) == pytest.approx(r2_score(y, predicted), abs=1e-5)
    own = LOSSES["regression"](names=known.names, scale=known.std)
    measures = own.measures(*found)
    assert len(measures) == 2 * targets
    unit = scale if targets == 1 else scale * targets
    last = "" if targets == 1 else f" {known.names[-1]}"
    error = (y[:, -1] / unit, predicted[:, -1] / unit)
    assert measures[f"RMSE{last}"] / unit == pytest.approx(
        root_mean_squared_error(*error), rel=1e-5
    )
    assert measures[f"MAE{last}"] / unit == pytest.approx(mean_absolute_error(*error), rel=1e-5)


def test_the_scale_is_that_of_the_training_examples_alone():
    known, y = made(2, offset=5)

    np.testing.assert_allclose(known.mean, y[:40].mean(axis=0))
    np.testing.assert_allclose(known.std, y[:40].std(axis=0))
    np.testing.assert_allclose(known.restored(known.standardised(y)), y, rtol=1e-6, atol=1e-6)


def test_predicting_the_mean_has_an_r_squared_of_zero_and_the_chance_loss():
    known, y = made(1)
    targets = known.standardised(y)
    mean = torch.full((60, 1), float(targets.mean()))

    assert LOSS.metric(mean, torch.from_numpy(targets)) == pytest.approx(0, abs=1e-6)
    chance = LOSS.chance_loss(targets, 1)
    assert float(LOSS.loss(mean, torch.from_numpy(targets))) == pytest.approx(chance)


def test_a_target_that_does_not_vary_in_a_split_has_a_finite_metric():
    targets = torch.full((4, 1), 0.5)

    assert LOSS.metric(targets - 0.3, targets) == pytest.approx(1 - 0.09)
