"""Lists and details as tables for people."""

from collections.abc import Iterable, Iterator

from rich.table import Table

from netmorph.answers import Dataset, Front, Key, Search, Trial
from netmorph.lineage import ensemble, exported, milliseconds, percent, steps
from netmorph.progress import best_text, clock


def searches(items: Iterable[Search]) -> Table:
    """A row a search."""
    table = _table("id", "name", "data set", "status", "trials", "best", "test", "time")
    for item in items:
        table.add_row(
            item["id"][:8],
            item["name"],
            item["dataset"]["name"],
            item["status"],
            _of(item["used"]["trials"], item["budget"].get("trials")),
            percent(item["best"]["value"] if item["best"] else None),
            percent(item["final"]["test_metric"] if item["final"] else None),
            clock(item["used"]["seconds"]),
        )
    return table


def search(item: Search, lineage: Iterable[str], front: Front | None = None) -> Table:
    """The facts of one search, a row each."""
    table = Table(show_header=False, box=None)
    final = item["final"]
    facts = {
        "id": item["id"],
        "name": item["name"],
        "data set": item["dataset"]["name"],
        "status": " ".join(filter(None, (item["status"], item["reason"]))),
        "strategy": f"{item['strategy']}, seed {item['seed']}, {item['parallelism']} in flight",
        "trials": _of(item["used"]["trials"], item["budget"].get("trials")),
        "epochs": _of(item["used"]["epochs"], item["budget"].get("epochs")),
        "time": clock(item["used"]["seconds"]),
        "best": best_text(item),
        "test": percent(final["test_metric"] if final else None),
        **_exported(item),
    }
    if front is not None:
        facts["front"] = "\n".join(_points(front)) or "–"
    facts["lineage"] = "\n".join(lineage) or "–"
    for name, value in facts.items():
        table.add_row(name, value)
    return table


def trials(items: Iterable[Trial]) -> Table:
    """A row a trial."""
    table = _table(
        "no", "status", "value", "parent", "morphisms", "parameters", "latency", "epochs", "time",
        "computed in",
    )  # fmt: skip
    for item in items:
        table.add_row(
            f"{item['number']}" + (" final" if item["kind"] == "final" else ""),
            item["status"],
            percent(item["value"]),
            "–" if item["parent_number"] is None else str(item["parent_number"]),
            _story(item) or "–",
            f"{item['parameters']:,}",
            milliseconds(item["latency"]),
            str(item["epochs"]),
            "–" if item["seconds"] is None else clock(item["seconds"]),
            item.get("precision") or "–",
        )
    return table


def datasets(items: Iterable[Dataset]) -> Table:
    """A row a data set."""
    table = _table("id", "name", "shape", "classes", "train", "test", "bytes")
    for item in items:
        table.add_row(
            item["id"][:8],
            item["name"],
            " × ".join(map(str, item["input_shape"])),
            str(item["classes"]),
            f"{item['train_examples']:,}",
            f"{item['test_examples']:,}",
            f"{item['bytes']:,}",
        )
    return table


def keys(items: Iterable[Key]) -> Table:
    """A row a key."""
    table = _table("id", "name", "role", "begins with", "made", "revoked")
    for item in items:
        made, revoked = item["created_at"][:16], (item["revoked_at"] or "–")[:16]
        table.add_row(item["id"], item["name"], item["role"], item["prefix"], made, revoked)
    return table


def _exported(item: Search) -> dict[str, str]:
    """What is known of the exported network beside its test; older services say nothing."""
    final = item["final"]
    if final is None:
        return {}
    share = item.get("compute_in_winner")
    return exported(ensemble(final), final.get("comparison"), final.get("precision"), share)


def _story(item: Trial) -> str:
    """What leads from a trial's parent to it and, of a final fit, how it compares with it."""
    comparison = item.get("comparison")
    return "; ".join(filter(None, (steps(item, "; "), comparison and comparison["text"])))


def _points(front: Front) -> Iterator[str]:
    """A line for each trial of a front."""
    for point in front["items"]:
        costs = {
            "parameters": f"{point['parameters']:,} parameters",
            "flops": f"{point['flops']:,} FLOPs",
            "latency": milliseconds(point["latency"]),
        }
        cost = costs.get(front["cost"], "–")
        yield f"{percent(point['value'])} with {cost} (trial {point['number']})"


def _table(*columns: str) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in columns:
        table.add_column(column)
    return table


def _of(used: int, budget: int | None) -> str:
    return f"{used} of {budget}" if budget else str(used)
