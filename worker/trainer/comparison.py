"""Which network a final fit exports: the final one, or the winner that it started from."""

import math

from core.protocol.contracts import Comparison
from core.tasks import TASKS
from worker.trainer.training.evaluation import Evaluation

#: A final network counts as worse from this many standard errors of the difference.
WORSE = 2.0


def compare(task: str, before: Evaluation, after: Evaluation | None, reason: str) -> Comparison:
    """Compare winner and final network; `after` is None where the final training failed.

    The final network is exported, unless it is worse beyond noise. Both were measured on the same
    examples, so the error of independent measurements overestimates the noise: a collapse counts
    as worse, bad luck does not.
    """
    kind = TASKS[task]()
    if after is None:
        worse, reason = True, f"the final training failed: {reason}"
    else:
        lost = kind.objective(before.metric) - kind.objective(after.metric)
        noise = math.hypot(
            kind.value_std(before.metric, before.examples),
            kind.value_std(after.metric, after.examples),
        )
        worse = lost > WORSE * noise
        reason = (
            f"{kind.metric} fell from {before.metric:.4f} to {after.metric:.4f} on "
            f"{before.examples} held-out examples, by more than {WORSE:g} standard errors"
            if worse
            else ""
        )
    return Comparison(
        examples=before.examples,
        before=before.metric,
        after=None if after is None else after.metric,
        exported="winner" if worse else "final",
        reason=reason,
    )
