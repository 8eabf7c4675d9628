"""Workers, and what they trained, as tables for people; `width` as in `netmorph.tables`."""

from collections.abc import Iterable
from datetime import UTC, datetime

from rich.table import Table

from netmorph.answers import Worker, WorkerDetail, WorkerProblem, WorkerTrial
from netmorph.formatting import clock
from netmorph.tables import SHORT_ID, WIDE, empty_table, facts

_SECOND = 19  # characters of a time up to its seconds


def workers(items: Iterable[Worker], width: int) -> Table:
    """One row for each worker."""
    items = list(items)
    states = [_state(item) for item in items]
    table = empty_table(
        "name", "device", "precision", "examples/s", "memory", "threads", "last seen", "trains"
    )
    if any(states):
        table.add_column("")
    for item, state in zip(items, states, strict=True):
        trial = item["trial_id"]
        table.add_row(
            item["name"],
            item["device"],
            item.get("precision") or "–",
            _speed(item.get("samples_per_second")),
            _memory(item),
            str(item["threads"]),
            _second(item["seen_at"]),
            "–" if trial is None else trial if width >= WIDE else trial[:SHORT_ID],
            *([state] if any(states) else []),
        )
    return table


def _memory(item: Worker) -> str:
    """The memory of a worker's device, and the estimate from which on trainings ran out of it."""
    memory, exceeded = item.get("memory"), item.get("memory_exceeded")
    known = f"{memory / 2**30:g} GiB" if memory else "–"
    return known if exceeded is None else f"{known}, ran out at {exceeded / 1e6:,.0f} MB"


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


def problems(items: Iterable[WorkerProblem]) -> Table:
    """One row for each attempt that failed at a worker."""
    table = empty_table("ended", "search", "trial", "attempt", "again", "problem")
    for item in items:
        table.add_row(
            _second(item["ended_at"]),
            item["search_name"],
            _trial(item["kind"], item["number"]),
            str(item["attempt"]),
            "yes" if item["tried_again"] else "no",
            item["reason"] or "–",
        )
    return table


def trials(items: Iterable[WorkerTrial]) -> Table:
    """One row for each trial that ended at a worker."""
    table = empty_table("ended", "search", "trial", "status", "time", "examples/s", "precision")
    for item in items:
        table.add_row(
            _second(item["ended_at"]),
            item["search_name"],
            _trial(item["kind"], item["number"]),
            item["status"],
            "–" if item["seconds"] is None else clock(item["seconds"]),
            _speed(item["samples_per_second"]),
            item["precision"] or "–",
        )
    return table


def _trial(kind: str, number: int) -> str:
    return str(number) if kind == "search" else f"{number} (final fit)"


def _speed(samples_per_second: float | None) -> str:
    return "–" if samples_per_second is None else f"{samples_per_second:,.0f}"


def _second(time: str) -> str:
    """A time up to its second, in UTC."""
    return time[:_SECOND].replace("T", " ")
