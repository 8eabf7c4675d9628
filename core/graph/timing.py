"""Learning from measured times how many seconds each kind of load takes.

Notation
    t      measured seconds of each architecture; shape (n,)
    x      its loads; shape (k,)
    w      seconds for one unit of each load, none of them negative; shape (k,)
    w0     their values before anything is measured
    u      w / (s w0), where s is how much slower the machine is than w0 says

Minimises the sum of (x·w / t - 1)² plus λ |u - 1|² over u ≥ 0: errors are relative, as a
millisecond is little for one network and very much for another (non-negative least squares).
"""

from collections.abc import Sequence

import numpy as np
from scipy.optimize import nnls

PRIOR_WEIGHT = 0.03  # λ: networks are some 0.2 off the fit, the prior by 1


def learn(
    loads: Sequence[Sequence[float]], seconds: Sequence[float], usual: Sequence[float]
) -> tuple[float, ...]:
    """w, from the loads and seconds of at least one architecture and w0.

    Of few measurements, the overall speed is learned first.
    """
    t = np.array(seconds)
    expected = np.array(loads) * np.array(usual)  # (n, k)
    slowness = float(np.exp(np.median(np.log(t / expected.sum(axis=1)))))  # s
    k = len(usual)
    rows = np.vstack([slowness * expected / t[:, None], PRIOR_WEIGHT**0.5 * np.eye(k)])
    wanted = np.append(np.ones(len(t)), np.full(k, PRIOR_WEIGHT**0.5))
    shares, _ = nnls(rows, wanted)  # u
    return tuple((slowness * shares * np.array(usual)).tolist())
