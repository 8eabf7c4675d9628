"""The likelihood of values under a Gaussian process, and its slopes."""

import numpy as np
from scipy.linalg import LinAlgError, cho_factor, cho_solve, lapack

from core.distance import Floats


def negative_log_likelihood(
    matrix: Floats, y: Floats, slopes: Floats, by_noise: float
) -> tuple[float, Floats]:
    """-log N(y; 0, matrix), without the constant, and its derivatives by θ and log noise.

    Rasmussen & Williams 2006, eq. 2.30 and 5.9: (n, n), (n,), (k, n, n) -> (), (k + 1,)
    """
    factor = _factored(matrix)
    weights = cho_solve((factor, True), y, check_finite=False)
    inverse, _ = lapack.dpotri(factor, lower=True)
    inverse = np.tril(inverse) + np.tril(inverse, -1).T
    excess = inverse - np.outer(weights, weights)
    slope = np.append(
        np.einsum("kij,ij->k", slopes, excess, optimize=True), by_noise * np.trace(excess)
    )
    return float(y @ weights) / 2 + float(np.log(np.diag(factor)).sum()), slope / 2


def _factored(matrix: Floats) -> Floats:
    """The lower Cholesky factor of a symmetric matrix, which is lifted where it is not definite."""
    try:
        return np.asarray(cho_factor(matrix, lower=True, check_finite=False)[0])
    except LinAlgError:
        least = float(np.linalg.eigvalsh(matrix)[0])
        lifted = matrix + (1e-6 - 1.01 * least) * np.eye(len(matrix))
        return np.asarray(cho_factor(lifted, lower=True, check_finite=False)[0])
