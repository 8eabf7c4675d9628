"""How a search's winner came to be, in words."""

from collections.abc import Iterable

from netmorph.answers import Search, Trial


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
    steps = ", then ".join(morphism["text"] for morphism in trial["morphisms"])
    how = steps or "a starting architecture"
    value = f" ({percent(trial['value'])})" if trial["value"] is not None else ""
    return f"trial {trial['number']}: {how}{value}"


def percent(value: float | None) -> str:
    """A share as people read it."""
    return "–" if value is None else f"{100 * value:.2f} %"
