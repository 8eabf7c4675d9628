"""Learning the seconds for a unit of each load from measured times.

Notation
    t      measured seconds of each architecture; shape (n,)
    x      its loads; shape (k,)
    w      seconds for one unit of each load, not negative; shape (k,)
    w0     the prior of w; shape (k,)
    s      slowness: the median of t / (x·w0)
    u      w / (s w0); shape (k,)
    λ      PRIOR_WEIGHT

Minimises the sum of (x·w / t - 1)² plus λ |u - 1|² over u ≥ 0 by non-negative least squares. Where
u would be zero it is LEAST_SHARE: a network all of whose loads were free would take no time.
Errors are relative, because a millisecond is little for one network and much for another.
"""

from collections.abc import Sequence

import numpy as np

LEAST_SHARE = 1e-9
PRIOR_WEIGHT = 0.03  # λ; networks deviate from the fit by about 0.2, the prior by 1


def learn(
    loads: Sequence[Sequence[float]], seconds: Sequence[float], prior: Sequence[float]
) -> tuple[float, ...]:
    """The seconds w for one unit of each load, from at least one measurement.

    `loads` has shape (n, k), `seconds` (n,), `prior` (k,) and all are positive. Few measurements
    mostly determine s, many of them the ratios of w as well.
    """
    # Not above: its import takes every process that knows of architectures a tenth of a second.
    from scipy.optimize import nnls  # noqa: PLC0415

    t = np.array(seconds)
    expected = np.array(loads) * np.array(prior)  # shape: (n, k)
    slowness = float(np.exp(np.median(np.log(t / expected.sum(axis=1)))))  # s
    k = len(prior)
    rows = np.vstack([slowness * expected / t[:, None], PRIOR_WEIGHT**0.5 * np.eye(k)])
    targets = np.append(np.ones(len(t)), np.full(k, PRIOR_WEIGHT**0.5))
    shares, _ = nnls(rows, targets)  # u
    return tuple((slowness * np.maximum(shares, LEAST_SHARE) * np.array(prior)).tolist())
