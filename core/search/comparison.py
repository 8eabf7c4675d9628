"""How a final network compares with the winner that it was trained on from, in words."""

from core.protocol.contracts import Comparison


def sentence(comparison: Comparison) -> str:
    """One sentence: both metrics, or why the winner's own weights are exported."""
    if comparison.exported == "winner" and comparison.reason:
        return f"the winner's own weights are exported: {comparison.reason.rstrip('. ')}"
    held_out = f"{comparison.examples:,} held-out examples"
    if comparison.after is None:
        return f"the winner's own weights have {comparison.before:.4f} on {held_out}"
    return (
        f"the final network has {comparison.after:.4f} on {held_out}, "
        f"the winner's own weights {comparison.before:.4f}"
    )
