"""The likelihood of values under a Gaussian process, and its slopes."""

import numpy as np
from scipy.linalg import LinAlgError, cho_factor, cho_solve, lapack

from core.similarity.edit_distance import Floats


def negative_log_likelihood(
    matrix: Floats, y: Floats, slopes: Floats, of_noise: Floats
) -> tuple[float, Floats]:
    """-log N(y; 0, matrix), without the constant, and its derivatives by θ and by noises.

    `slopes` are the derivatives of the matrix, `of_noise` those that are diagonal. Rasmussen &
    Williams 2006, eq. 2.30 and 5.9: (n, n), (n,), (k, n, n), (l, n) -> (), (k + l,)
    """
    factor = _factored(matrix)
    weights = cho_solve((factor, True), y, check_finite=False)
    inverse, _ = lapack.dpotri(factor, lower=True)
    inverse = np.tril(inverse) + np.tril(inverse, -1).T
    excess = inverse - np.outer(weights, weights)
    by_slopes = np.einsum("kij,ij->k", slopes, excess, optimize=True)
    slope = np.concatenate([by_slopes, of_noise @ np.diag(excess)])
    return float(y @ weights) / 2 + float(np.log(np.diag(factor)).sum()), slope / 2


def _factored(matrix: Floats) -> Floats:
    """The lower Cholesky factor of a symmetric matrix, which is lifted where it is not definite."""
    try:
        return np.asarray(cho_factor(matrix, lower=True, check_finite=False)[0])
    except LinAlgError:
        least = float(np.linalg.eigvalsh(matrix)[0])
        lifted = matrix + (1e-6 - 1.01 * least) * np.eye(len(matrix))
        return np.asarray(cho_factor(lifted, lower=True, check_finite=False)[0])
