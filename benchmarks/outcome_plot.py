"""Plots Netmorph's errors beside those of hand-made networks. Needs matplotlib (extra `bench`)."""

from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

_SERIES = (  # key, label, colour: Okabe & Ito's, distinguishable by colour-blind readers
    ("netmorph", "Netmorph", "#d55e00"),
    ("best_hand_made", "best hand-made, same trainer", "#0072b2"),
    ("hand_made_plain", "hand-made, plain loop", "#999999"),
)
_HIGHEST = 2.5  # ratio shown: bands of a few errors among few examples would hide the others
_BAND = 1.96  # standard errors: 95 %


def draw(summary: dict[str, Any], path: Path) -> None:
    """Draw the errors divided by that of the best hand-made network, as bars by data set."""
    sets = {k: v for k, v in summary["datasets"].items() if v["ratio"] is not None}
    figure = Figure(figsize=(1.6 + 1.1 * len(sets), 3.4), layout="constrained")
    axes = figure.subplots()
    for index, (key, label, colour) in enumerate(_SERIES):
        heights, errors, positions = [], [], []
        for position, facts in enumerate(sets.values()):
            base = max(facts["best_hand_made"], 1e-2)
            if facts[key] is not None:
                positions.append(position + 0.27 * (index - 1))
                heights.append(facts[key] / base)
                errors.append(_BAND * facts["se"][key] / base)
        axes.bar(positions, heights, 0.25, yerr=errors, color=colour, label=label, capsize=2)
    axes.axhline(1.0, color="black", linewidth=0.8)
    axes.set_ylim(0.0, _HIGHEST)
    axes.set_xticks(range(len(sets)), list(sets), rotation=20, ha="right")
    axes.set_ylabel("test error / best hand-made")
    figure.legend(loc="outside upper center", ncols=len(_SERIES), fontsize=8)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110, metadata={"Software": None} if path.suffix == ".png" else None)
