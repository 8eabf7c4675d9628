"""How a final network compares with the winner that it was trained on from, in words."""

from core.protocol.contracts.results import Comparison
from core.tasks import AbstractTask


def sentence(comparison: Comparison, task: AbstractTask) -> str:
    """One sentence: both metrics, or why the winner's own weights are exported."""
    in_words = task.named_in_words
    if comparison.exported == "winner" and comparison.reason:
        return f"the winner's own weights are exported: {comparison.reason.rstrip('. ')}"
    held_out = f"{comparison.examples:,} held-out examples"
    if comparison.after is None:
        return f"the winner's own weights have {in_words(comparison.before)} on {held_out}"
    is_worse = task.objective(comparison.after) < task.objective(comparison.before)
    return (
        f"the final network has {in_words(comparison.after)} on {held_out}, "
        f"the winner's own weights {in_words(comparison.before)}"
        + (": a difference within noise" if is_worse else "")
    )
