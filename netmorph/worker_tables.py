"""Workers, and what they trained, as tables for people; `width` as in `netmorph.tables`."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime

from rich.console import RenderableType
from rich.table import Table

from netmorph.answers import Worker, WorkerDetail, WorkerProblem, WorkerTrial
from netmorph.formatting import clock
from netmorph.table_parts import SHORT_ID, WIDE, NarrowTable, empty_table
from netmorph.tables import facts

_SECOND = 19  # characters of a time up to its seconds


def workers(items: Iterable[Worker], width: int) -> RenderableType:
    """One row for each worker."""
    rows = [_cells(item, width) for item in items]
    labels = ["name", "device", "precision", "examples/s", "memory", "threads", "last seen"]
    labels.append("trains")
    if any(row[""] for row in rows):
        labels.append("")
    words = ("device", "precision", "ran out at", "")
    return _table(labels, words, rows, width, ("last seen", "examples/s", "memory", "threads"))


def _cells(item: Worker, width: int) -> dict[str, str]:
    """The texts of one worker by label; the last one, without a label, is its state."""
    trial, exceeded = item["trial_id"], item.get("memory_exceeded")
    limit = "" if exceeded is None else f"ran out of memory at {_megabytes(exceeded)}"
    return {
        "name": item["name"],
        "device": item["device"],
        "precision": item.get("precision") or "–",
        "examples/s": _speed(item.get("samples_per_second")),
        "memory": _gibibytes(item) if width < WIDE else _memory(item),
        "threads": str(item["threads"]),
        "last seen": _second(item["seen_at"]),
        "trains": "–" if trial is None else trial if width >= WIDE else trial[:SHORT_ID],
        "ran out at": limit,
        "": _state(item),
    }


def _table(
    labels: Sequence[str],
    words: Sequence[str],
    rows: Sequence[Mapping[str, str]],
    width: int,
    extras: Sequence[str],
) -> RenderableType:
    """One row for each; below `WIDE` columns, those texts that are words are on the line after."""
    if width >= WIDE:
        table = empty_table(*labels)
        for row in rows:
            table.add_row(*(row[label] for label in labels))
        return table
    short = [label for label in labels if label not in words]
    return NarrowTable(
        short,
        [[row[label] for label in short] for row in rows],
        ["; ".join(row[label] for label in words if row[label] not in ("", "–")) for row in rows],
        extras,
    )


def _memory(item: Worker) -> str:
    """The memory of a worker's device, and the estimate from which on trainings ran out of it."""
    exceeded = item.get("memory_exceeded")
    known = _gibibytes(item)
    return known if exceeded is None else f"{known}, ran out at {_megabytes(exceeded)}"


def _gibibytes(item: Worker) -> str:
    memory = item.get("memory")
    return f"{memory / 2**30:,.4g} GiB" if memory else "–"


def _megabytes(size: float) -> str:
    return f"{size / 1e6:,.0f} MB"


def _state(item: Worker) -> str:
    """Why a worker gets no trials; empty where it gets some."""
    if item.get("draining"):
        return "draining"
    until = item.get("resting_until")
    if until is None or datetime.fromisoformat(until) < datetime.now(UTC):
        return ""
    return f"rests until {until[11:_SECOND]}: {item['problem']}"


def worker(item: WorkerDetail) -> Table:
    """The facts of one worker and of its last day."""
    day = item["last_day"]
    return facts(
        {
            "name": item["name"],
            "id": item["id"],
            "device": item["device"],
            "memory": _memory(item),
            "threads": item["threads"],
            "last seen": _second(item["seen_at"]),
            "state": _state(item) or ("trains" if item["trial_id"] else "takes trials"),
            "trains": item["trial_id"],
            "precision": item["precision"],
            "examples per second": _speed(item["samples_per_second"]),
            "last day": f"{day['completed']} completed, {day['failed']} failed",
        }
    )


def problems(items: Iterable[WorkerProblem], width: int) -> RenderableType:
    """One row for each attempt that failed at a worker."""
    rows = [
        {
            "ended": _second(item["ended_at"]),
            "search": item["search_name"],
            "trial": _trial(item["kind"], item["number"]),
            "attempt": str(item["attempt"]),
            "again": "yes" if item["tried_again"] else "no",
            "problem": item["reason"] or "–",
        }
        for item in items
    ]
    labels = ("ended", "search", "trial", "attempt", "again", "problem")
    return _table(labels, ("problem",), rows, width, ("ended", "attempt", "again"))


def trials(items: Iterable[WorkerTrial], width: int) -> RenderableType:
    """One row for each trial that ended at a worker."""
    rows = [
        {
            "ended": _second(item["ended_at"]),
            "search": item["search_name"],
            "trial": _trial(item["kind"], item["number"]),
            "status": item["status"],
            "time": "–" if item["seconds"] is None else clock(item["seconds"]),
            "examples/s": _speed(item["samples_per_second"]),
            "precision": item["precision"] or "–",
        }
        for item in items
    ]
    labels = ("ended", "search", "trial", "status", "time", "examples/s", "precision")
    return _table(labels, ("precision",), rows, width, ("ended", "time", "examples/s"))


def _trial(kind: str, number: int) -> str:
    return str(number) if kind == "search" else f"{number} (final fit)"


def _speed(samples_per_second: float | None) -> str:
    return "–" if samples_per_second is None else f"{samples_per_second:,.0f}"


def _second(time: str) -> str:
    """A time up to its second, in UTC."""
    return time[:_SECOND].replace("T", " ")
