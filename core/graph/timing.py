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
from itertools import product

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

LEAST_SHARE = 1e-9
PRIOR_WEIGHT = 0.03  # λ; networks deviate from the fit by about 0.2, the prior by 1


def learn(
    loads: Sequence[Sequence[float]], seconds: Sequence[float], prior: Sequence[float]
) -> tuple[float, ...]:
    """The seconds w for one unit of each load, from at least one measurement.

    `loads` has shape (n, k), `seconds` (n,), `prior` (k,) and all are positive. Few measurements
    mostly determine s, many of them the ratios of w as well.
    """
    t = np.array(seconds)
    expected = np.array(loads) * np.array(prior)  # shape: (n, k)
    slowness = float(np.exp(np.median(np.log(t / expected.sum(axis=1)))))  # s
    k = len(prior)
    rows = np.vstack([slowness * expected / t[:, None], PRIOR_WEIGHT**0.5 * np.eye(k)])
    targets = np.append(np.ones(len(t)), np.full(k, PRIOR_WEIGHT**0.5))
    shares = nonnegative_least_squares(rows, targets)  # u
    return tuple((slowness * np.maximum(shares, LEAST_SHARE) * np.array(prior)).tolist())


def nonnegative_least_squares(A: Floats, b: Floats) -> Floats:
    """The u ≥ 0 with the least |A u - b|: (m, k), (m,) -> (k,)

    It is an ordinary solution for some of the k unknowns while the others are zero, and of those
    without negative numbers the best: all 2^k are tried, so k must be small. The columns of A must
    be independent. `scipy.optimize.nnls` does the same; its import takes every process that knows
    of architectures a tenth of a second.
    """
    chosen = np.array([*product((False, True), repeat=A.shape[1])])  # shape: (2^k, k)
    squares = A.T @ A * chosen[:, :, None] * chosen[:, None, :]
    squares += np.eye(A.shape[1]) * ~chosen[:, None]
    products = A.T @ b * chosen
    u = np.linalg.solve(squares, products[:, :, None])[:, :, 0]
    gains = np.where((u >= 0).all(axis=1), (u * products).sum(axis=1), -np.inf)
    best: Floats = u[gains.argmax()]
    return best
