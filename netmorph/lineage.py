"""How a search's winner came to be, in words."""

from collections.abc import Iterable

from netmorph.answers import Comparison, Final, Search, Trial


def ancestry(trials: Iterable[Trial], number: int) -> list[Trial]:
    """The trial with this number and its ancestors, the root first."""
    known = {trial["id"]: trial for trial in trials}
    current = next((trial for trial in known.values() if trial["number"] == number), None)
    line: list[Trial] = []
    while current is not None:
        line.append(current)
        current = known.get(current["parent_id"] or "")
    return line[::-1]


def in_words(line: Iterable[Trial]) -> list[str]:
    """A sentence for each trial of a line, with the morphisms that led to it."""
    return [_sentence(trial) for trial in line]


def winner(search: Search) -> int | None:
    """The number of the trial whose architecture won, as far as it is known."""
    if search["final"] is not None:
        return search["final"]["of_number"]
    return search["best"]["number"] if search["best"] is not None else None


def _sentence(trial: Trial) -> str:
    how = steps(trial, ", then ") or "a starting architecture"
    value = f" ({percent(trial['value'])})" if trial["value"] is not None else ""
    return f"trial {trial['number']}: {how}{value}"


def steps(trial: Trial, between: str) -> str:
    """What leads from a trial's parent to it; empty where nothing does."""
    if trial.get("ensemble"):
        return trial["ensemble"]
    if not trial["morphisms"] and trial["parent_number"] is not None:
        if not trial["inherited"]:
            return ""
        changes = f" with {trial['changes']}" if trial.get("changes") else ""
        return f"continues trial {trial['parent_number']}{changes}"
    return between.join(morphism["text"] for morphism in trial["morphisms"])


def ensemble(final: Final | None) -> str | None:
    """The trials that an exported network joins, and what it costs; None where it is of one."""
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
    """What is known of an exported network beside its test; `share` is the compute in it."""
    facts = {
        "network": network,
        "compared": comparison and comparison["text"],
        "precision": precision,
        "in winner": None if share is None else f"{100 * share:.0f} % of all training seconds",
    }
    return {name: words for name, words in facts.items() if words}


def percent(value: float | None) -> str:
    """A share as people read it."""
    return "–" if value is None else f"{100 * value:.2f} %"


def milliseconds(seconds: float | None) -> str:
    """A latency as people read it, to three figures."""
    if seconds is None:
        return "–"
    return f"{1000 * seconds:.3g} ms" if seconds < 0.9995 else f"{1000 * seconds:,.0f} ms"
