"""Netmorph's errors beside those of hand-made networks. Needs matplotlib (the extra `bench`)."""

from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

_SERIES = (  # key, label, colour: Okabe & Ito's, which the colour-blind can tell apart
    ("netmorph", "Netmorph", "#d55e00"),
    ("best_hand_made", "best hand-made, same trainer", "#0072b2"),
    ("hand_made_plain", "hand-made, plain loop", "#999999"),
)
_BAND = 1.96  # standard errors: 95 %


def draw(summary: dict[str, Any], path: Path) -> None:
    """Bars of the errors over that of the best hand-made network, by data set."""
    sets = {k: v for k, v in summary["datasets"].items() if v["ratio"] is not None}
    figure = Figure(figsize=(1.6 + 1.1 * len(sets), 3.4), layout="constrained")
    axes = figure.subplots()
    for index, (key, label, colour) in enumerate(_SERIES):
        heights, errors, places = [], [], []
        for place, one in enumerate(sets.values()):
            base = max(one["best_hand_made"], 1e-2)
            if one[key] is not None:
                places.append(place + 0.27 * (index - 1))
                heights.append(one[key] / base)
                errors.append(_BAND * one["se"][key] / base)
        axes.bar(places, heights, 0.25, yerr=errors, color=colour, label=label, capsize=2)
    axes.axhline(1.0, color="black", linewidth=0.8)
    axes.set_xticks(range(len(sets)), list(sets), rotation=20, ha="right")
    axes.set_ylabel("test error / best hand-made")
    figure.legend(loc="outside upper center", ncols=len(_SERIES), fontsize=8)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110, metadata={"Software": None} if path.suffix == ".png" else None)
