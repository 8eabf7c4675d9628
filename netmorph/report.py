"""The report at the end of a search."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

from rich.console import Console

from netmorph import lineage
from netmorph.answers import Search, Trial
from netmorph.formatting import ACCURACY, clock, measures, metric, name_before


class TrialSource(Protocol):
    """Where the trials of a search are read from."""

    def trials(self, search_id: str) -> Iterator[Trial]:
        """The trials of a search, ordered by number."""


def summary(client: TrialSource, search: Search, folder: Path | None) -> dict[str, Any]:
    """The report as a JSON object; `folder` is that of the export, if there is one."""
    best, final, in_percent = search["best"], search["final"], search.get("in_percent", True)
    number = lineage.winner(search)
    line = [] if number is None else lineage.ancestry(client.trials(search["id"]), number)
    return {
        "search_id": search["id"],
        "name": search["name"],
        "status": search["status"],
        "reason": search["reason"],
        "trials_completed": search["trial_counts"].get("completed", 0),
        "trials_stopped": search["trial_counts"].get("stopped", 0),
        "trials_inherited": search["trials_inherited"],
        "metric": search["metric"],
        "in_percent": in_percent,
        "best_validation": best["value"] if best else None,
        "validation_measures": (best.get("measures") or {}) if best else {},
        "test_metric": final["test_metric"] if final else None,
        "test_accuracy": final["test_metric"] if final and search["metric"] == ACCURACY else None,
        "test_measures": (final.get("test_measures") or {}) if final else {},
        "test_examples": final["test_examples"] if final else None,
        "parameters": final["parameters"] if final else None,
        "kept": search.get("kept") or None,
        "ensemble": lineage.ensemble(final),
        "comparison": final.get("comparison") if final else None,
        "precision": final.get("precision") if final else None,
        "compute_in_winner": search.get("compute_in_winner"),
        "seconds": round(search["used"]["seconds"], 1),
        "winner": number,
        "lineage": lineage.in_words(line, search),
        "export": str(folder) if folder else None,
    }


def print_summary(result: dict[str, Any], out: Console) -> None:
    """Print the report that `summary` made."""
    for label, text in rows(result):
        out.print(f"{label:11}{text}", soft_wrap=True)
    if result["lineage"]:
        out.print("lineage of the winner:")
    for sentence in result["lineage"]:
        out.print(f"  {sentence}", soft_wrap=True)


def rows(result: dict[str, Any]) -> list[tuple[str, str]]:
    """The labels and texts of the report that `summary` made, without the lineage."""
    return [
        ("status", " ".join(filter(None, (result["status"], _in_brackets(result["reason"]))))),
        ("trials", _trials(result)),
        ("validation", _measured(result, "best_validation", "validation_measures")),
        ("test", _test(result)),
        *([("kept", result["kept"])] if result["kept"] else []),
        *_exported(result).items(),
        ("time", clock(result["seconds"])),
        ("export", _export(result)),
    ]


def default_folder(search: Search | None) -> Path:
    """The folder for an export if the command line names none; for None, that of any search."""
    return Path("exports") / ("search" if search is None else plain_name(search))


def plain_name(search: Search) -> str:
    """A name for files of a search: letters, digits and the beginning of its id."""
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", search["name"]).strip("-.") or "search"
    return f"{name}-{search['id'][:8]}"


def _trials(result: dict[str, Any]) -> str:
    ended = [f"{result['trials_completed']} completed"]
    ended += [f"{stopped} stopped early"] if (stopped := result["trials_stopped"]) else []
    return f"{', '.join(ended)}, {result['trials_inherited']} with inherited weights"


def _test(result: dict[str, Any]) -> str:
    found = _measured(result, "test_metric", "test_measures")
    return found if found == "–" else f"{found} of {result['test_examples']} examples"


def _measured(result: dict[str, Any], value: str, more: str) -> str:
    """A metric, with its name unless it is accuracy, and further measures."""
    if result[value] is None:
        return "–"
    name = name_before(result["metric"], result["in_percent"])
    further = f", {measures(result[more])}" if result[more] else ""
    return f"{name}{metric(result[value], result['in_percent'])}{further}"


def _exported(result: dict[str, Any]) -> dict[str, str]:
    names = ("ensemble", "comparison", "precision", "compute_in_winner")
    return lineage.exported(*(result[name] for name in names))


def _export(result: dict[str, Any]) -> str:
    """The folder of the export, or how to get one."""
    if result["export"] is None and result["test_metric"] is not None:
        return f"netmorph export {result['search_id'][:8]} downloads it"
    return result["export"] or "none"


def _in_brackets(text: str) -> str:
    return f"({text})" if text else ""
