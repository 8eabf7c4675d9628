"""The lineage of a trial, and what is known of an exported network, in words."""

from collections.abc import Iterable

from netmorph.answers import Comparison, Final, Search, Trial
from netmorph.formatting import metric, milliseconds


def ancestry(trials: Iterable[Trial], number: int) -> list[Trial]:
    """The trial with this number and its ancestors, the root first; empty if it is missing."""
    by_id = {trial["id"]: trial for trial in trials}
    current = next((trial for trial in by_id.values() if trial["number"] == number), None)
    line: list[Trial] = []
    while current is not None:
        line.append(current)
        current = by_id.get(current["parent_id"] or "")
    return line[::-1]


def in_words(line: Iterable[Trial], search: Search) -> list[str]:
    """A sentence for each trial of a lineage of the search, with the morphisms from its parent."""
    return [_sentence(trial, search) for trial in line]


def winner(search: Search) -> int | None:
    """The number of the trial whose architecture won or leads so far; None before a first value."""
    if search["final"] is not None:
        return search["final"]["of_number"]
    return search["best"]["number"] if search["best"] is not None else None


def _sentence(trial: Trial, search: Search) -> str:
    in_percent = search.get("in_percent", True)
    origin = steps(trial, ", then ") or beginning(search)
    value = f" ({metric(trial['value'], in_percent)})" if trial["value"] is not None else ""
    return f"trial {trial['number']}: {origin}{value}"


def beginning(search: Search) -> str:
    """What the first trials of a search are."""
    return "the given network" if search.get("root") else "a root"


def steps(trial: Trial, separator: str) -> str:
    """How a trial differs from its parent, or a repeated start from the first; else empty.

    The service gives the parts in words; `core.search.lineage.continuing` joins them in the same
    way for the dashboard and the model card, which a test compares.
    """
    if trial.get("ensemble"):
        return trial["ensemble"]
    if not trial["morphisms"] and trial["parent_number"] is not None:
        if not trial["inherited"]:
            return ""
        changes = f" with {trial['changes']}" if trial.get("changes") else ""
        return f"continues trial {trial['parent_number']}{changes}"
    if not trial["morphisms"]:
        return trial.get("changes", "")
    return separator.join(morphism["text"] for morphism in trial["morphisms"])


def belief(trial: Trial, in_percent: bool = True) -> str:
    """The value that the surrogate expected of a trial; empty where it predicted none."""
    mean, std = trial.get("predicted_mean"), trial.get("predicted_std")
    if mean is None or std is None:
        return ""
    return f"{metric(mean, in_percent)} ± {metric(std, in_percent)}"


def ensemble(final: Final | None) -> str | None:
    """The trials that an exported ensemble averages, and its cost; None without an ensemble."""
    if final is None or not final.get("ensemble"):
        return None
    parameters = "–" if final["parameters"] is None else f"{final['parameters']:,}"
    latency = milliseconds(final.get("latency"))
    return f"{final['ensemble']}: {parameters} parameters, {latency} for one example"


def exported(
    network: str | None,
    comparison: Comparison | None,
    precision: str | None,
    share: float | None,
) -> dict[str, str]:
    """Facts about an exported network beside its test, by label.

    `network` is the text of `ensemble`; `share` is the part of all training seconds in the network.
    """
    facts = {
        "network": network,
        "compared": comparison and comparison["text"],
        "precision": precision,
        "in winner": None if share is None else f"{100 * share:.0f} % of all training seconds",
    }
    return {label: text for label, text in facts.items() if text}
