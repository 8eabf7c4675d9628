"""The likelihood of values under a Gaussian process, and its gradient.

Notation
    K      covariance of the observed values, noise included; shape (n, n)
    y      observed values; shape (n,)
    α      K⁻¹ y; shape (n,)
"""

import numpy as np
from scipy.linalg import LinAlgError, cho_factor, cho_solve, lapack

from core.similarity.edit_distance import Floats


def negative_log_likelihood(
    matrix: Floats, y: Floats, slopes: Floats, of_noise: Floats
) -> tuple[float, Floats]:
    """-log N(y; 0, K), without the constant, and its derivatives by k + l hyper-parameters.

    `slopes` are derivatives of K, `of_noise` the diagonals of derivatives that are diagonal
    (Rasmussen & Williams 2006, eq. 2.30 and 5.9). A K that is not positive definite is lifted
    until it is. (n, n), (n,), (k, n, n), (l, n) -> (), (k + l,)
    """
    factor = _factored(matrix)
    alpha = cho_solve((factor, True), y, check_finite=False)
    inverse, _ = lapack.dpotri(factor, lower=True)
    inverse = np.tril(inverse) + np.tril(inverse, -1).T
    excess = inverse - np.outer(alpha, alpha)
    by_slopes = np.einsum("kij,ij->k", slopes, excess, optimize=True)
    slope = np.concatenate([by_slopes, of_noise @ np.diag(excess)])
    return float(y @ alpha) / 2 + float(np.log(np.diag(factor)).sum()), slope / 2


def _factored(matrix: Floats) -> Floats:
    """The lower Cholesky factor of a symmetric matrix, lifted where it is not positive definite."""
    try:
        return np.asarray(cho_factor(matrix, lower=True, check_finite=False)[0])
    except LinAlgError:
        least = float(np.linalg.eigvalsh(matrix)[0])
        lifted = matrix + (1e-6 - 1.01 * least) * np.eye(len(matrix))
        return np.asarray(cho_factor(lifted, lower=True, check_finite=False)[0])
