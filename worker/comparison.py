"""The final network beside the winner that it was trained on from."""

import math

from core.protocol.contracts import Comparison
from core.tasks import TASKS
from worker.training import Evaluation

#: Standard errors of the difference from which on a final network counts as worse.
WORSE = 2.0


def compare(task: str, before: Evaluation, after: Evaluation | None, reason: str) -> Comparison:
    """Which of the two is to be exported; `after` is None where the final training failed.

    The final network is, unless it is worse beyond noise. Both were measured on the same
    examples, so that the error of independent measurements overrates the noise: what counts as
    worse is a collapse, not bad luck.
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
