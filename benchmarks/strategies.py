"""Compares strategies by the test error that they reach in the same CPU seconds.

`python -m benchmarks.strategies [--seconds 300] [--seeds 5] [--datasets NAME ...]`: searches by
each of Netmorph's strategies, by NASH as published and by one epoch for many networks, on the same
data with the same seeds. Records are appended to `--out`; runs that have a record are not repeated.
"""

from benchmarks import contenders, rivals
from benchmarks.comparison import Comparison
from benchmarks.records import Record, Run
from core.search.strategies import STRATEGIES

RIVALS = {"nash": rivals.hill_climb, "one-epoch-top-k": rivals.one_epoch_top_k}
REFERENCE = "bayesian"
COMPARISON = Comparison(
    module="benchmarks.strategies",
    title="Strategies on trained networks",
    reference=REFERENCE,
    contenders=(REFERENCE, *(name for name in STRATEGIES if name != REFERENCE), *RIVALS),
    quick_contenders=(REFERENCE, "one-epoch-top-k"),
)


def carry_out(run: Run) -> Record:
    """Carry out one search."""
    if run.contender in RIVALS:
        return contenders.search(
            run, RIVALS[run.contender], with_curve=True, training=contenders.ONE_NETWORK
        )
    return contenders.search(run, with_curve=True, strategy=run.contender)


if __name__ == "__main__":
    COMPARISON.main(__doc__, seeds=5)
