"""Lists and details as tables for people.

`width` is the number of columns of the terminal. With `WIDE` columns or more, a row is one line and
an id is complete; else an id is its first eight characters, which every command accepts, and the
morphisms of a trial get lines of their own. Below `USUAL` columns, facts without room are left out.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from netmorph.answers import Dataset, Delivery, Front, Key, Search, Trial, Webhook
from netmorph.diagnosis import Finding
from netmorph.formatting import clock, measures, metric, milliseconds, name_before, out_of
from netmorph.lineage import ensemble, exported, steps
from netmorph.progress import best_text, left_text, phase
from netmorph.table_parts import SHORT_ID, USUAL, WIDE, NarrowTable, empty_table, list_table

_MINUTE = 16  # characters of a time up to its minutes
#: The facts of a trial in a table, and those that are sentences.
LABELS = ("no", "status", "value", "parent", "parameters", "latency", "epochs", "time")
WORDS = ("morphisms", "computed in")
_SHORT_PHASES = {"running its last trials": "last trials"}


def searches(items: Iterable[Search], width: int) -> Table:
    """One row for each search."""
    items = list(items)
    ids = _ids([item["id"] for item in items], width)
    owners = {_owner(item) for item in items}
    owner = ("owner",) if len(owners) > 1 else ()
    labels = ("id", "name", *owner, "data set", "status", "trials", "best", "test", "time")
    rows: list[tuple[str | Text, ...]] = [
        (
            ids[item["id"]],
            _name(item["name"], width),
            *(_name(_owner(item), width) for _ in owner),
            _name(item["dataset"]["name"], width),
            _SHORT_PHASES.get(phase(item), phase(item)),
            out_of(item["used"]["trials"], item["budget"].get("trials")),
            metric(item["best"]["value"] if item["best"] else None, _in_percent(item)),
            metric(item["final"]["test_metric"] if item["final"] else None, _in_percent(item)),
            clock(item["used"]["seconds"]),
        )
        for item in items
    ]
    return list_table(labels, rows, width, ("best", "trials", "data set", "owner", "test", "time"))


def _owner(item: Search) -> str:
    """The name of the key that a search was created with; empty from an older service."""
    return item["owner"]["name"] if "owner" in item else ""


def search(item: Search, lineage: Iterable[str], front: Front | None = None) -> Table:
    """The facts of one search, one row for each."""
    table = Table(show_header=False, box=None)
    facts = {
        "id": item["id"],
        "name": item["name"],
        **({"tags": ", ".join(item["tags"])} if item.get("tags") else {}),
        **({"note": item["note"]} if item.get("note") else {}),
        **({"shared": f"with all users, by {_owner(item)}"} if item.get("shared") else {}),
        "data set": item["dataset"]["name"],
        "status": _status(item),
        "strategy": f"{item['strategy']}, seed {item['seed']}, {item['parallelism']} in flight",
        **_options(item),
        **_priority(item),
        "trials": out_of(item["used"]["trials"], item["budget"].get("trials")),
        "epochs": out_of(item["used"]["epochs"], item["budget"].get("epochs")),
        "time": ", ".join(
            filter(None, (clock(item["used"]["seconds"]), left_text(item, item["used"]["seconds"])))
        ),
        **({"kept": item["kept"]} if item.get("kept") else {}),
        "best": best_text(item),
        "test": test_text(item),
        **_exported(item),
    }
    if front is not None:
        facts["front"] = "\n".join(points(front, _in_percent(item))) or "–"
    facts["lineage"] = "\n".join(lineage) or "–"
    for label, text in facts.items():
        table.add_row(label, text)
    return table


def test_text(item: Search) -> str:
    """The result of the test, with the metric's name and further measures where it needs them."""
    final = item["final"]
    if final is None:
        return "–"
    name = name_before(item["metric"], _in_percent(item))
    found = measures(final.get("test_measures") or {})
    more = f" ({found})" if found else ""
    return f"{name}{metric(final['test_metric'], _in_percent(item))}{more}"


def _in_percent(item: Search) -> bool:
    """Whether people read the metric as a percentage; older services have no other."""
    return item.get("in_percent", True)


def trials(items: Iterable[Trial], width: int, in_percent: bool = True) -> RenderableType:
    """One row for each trial; below `WIDE` columns, its morphisms are on the lines after it."""
    rows = [cells(item, in_percent) for item in items]
    if width < WIDE:
        return _narrow(rows)
    table = empty_table(*LABELS, *WORDS)
    for row in rows:
        table.add_row(*(row[label] for label in (*LABELS, *WORDS)))
    return table


def _narrow(cells: Sequence[Mapping[str, str]]) -> RenderableType:
    """Trials for a narrow terminal: if all were computed in one way, it is said once."""
    ways = {row["computed in"] for row in cells} - {"–"}
    labels = WORDS if len(ways) != 1 else WORDS[:1]
    table = NarrowTable(
        LABELS,
        [[row[label] for label in LABELS] for row in cells],
        [
            "; computed in ".join(row[label] for label in labels if row[label] != "–")
            for row in cells
        ],
        ("parameters", "epochs", "time", "parent", "latency"),
    )
    return table if len(ways) != 1 else Group(table, f"computed in {ways.pop()}")


def cells(item: Trial, in_percent: bool = True) -> dict[str, str]:
    """The texts of one trial by label."""
    return {
        "no": f"{item['number']}" + ("" if item["kind"] == "search" else f" {item['kind']}"),
        "status": item["status"],
        "value": metric(item["value"], in_percent),
        "parent": "–" if item["parent_number"] is None else str(item["parent_number"]),
        "parameters": f"{item['parameters']:,}",
        "latency": milliseconds(item["latency"]),
        "epochs": str(item["epochs"]),
        "time": "–" if item["seconds"] is None else clock(item["seconds"]),
        "morphisms": _changes(item) or "–",
        "computed in": item.get("precision") or "–",
    }


def facts(values: Mapping[str, object]) -> Table:
    """One row for each fact."""
    table = Table(show_header=False, box=None)
    for label, value in values.items():
        lines = value if isinstance(value, list) else [value or "–"]
        table.add_row(label.replace("_", " "), "\n".join(map(str, lines)) or "–")
    return table


def findings(items: Iterable[Finding]) -> Table:
    """One row for each check, with the advice below what was found."""
    table = Table(show_header=False, box=None)
    for item in items:
        style = {"ok": "green", "warning": "yellow", "problem": "bold red"}[item.state]
        text = f"{item.text}\n→ {item.advice}" if item.advice else item.text
        table.add_row(Text(item.state, style=style), item.subject, text)
    return table


def datasets(items: Iterable[Dataset], width: int) -> Table:
    """One row for each data set; below `WIDE` columns, a first version is not told."""
    items = list(items)
    ids = _ids([item["id"] for item in items], width)
    is_wide = width >= WIDE
    labels = (
        "id", "name", *(("version",) if is_wide else ()),
        "shape", "classes", "train", "test", "bytes",
    )  # fmt: skip
    rows = []
    for item in items:
        version, size = item["version"], item["bytes"]
        is_later = version > 1 and not is_wide
        rows.append(
            (
                ids[item["id"]],
                f"{item['name']} (version {version})" if is_later else item["name"],
                *((str(version),) if is_wide else ()),
                " × ".join(map(str, item["input_shape"])),
                str(item["classes"] or "–"),
                f"{item['train_examples']:,}",
                f"{item['test_examples']:,}",
                f"{size:,}" if is_wide else f"{size / 2**20:,.1f} MiB",
            )
        )
    return list_table(labels, rows, width, ("shape", "classes", "train", "bytes", "test"))


def keys(items: Iterable[Key], width: int) -> Table:
    """One row for each key.

    The first keys of a service have ids that begin equally, for which a narrow terminal has no
    room; the beginning of the key stands for them there.
    """
    is_wide = width >= WIDE
    moment = minute if width >= USUAL else _day
    labels = (*(("id",) if is_wide else ()), "name", "role", "begins with", "created", "revoked")
    rows = [
        (
            *((item["id"],) if is_wide else ()),
            _name(item["name"], width),
            item["role"],
            item["prefix"] or "–",
            moment(item["created_at"]),
            moment(item["revoked_at"]),
        )
        for item in items
    ]
    return list_table(labels, rows, width, ("role", "created"))


def webhooks(items: Iterable[Webhook], width: int) -> Table:
    """One row for each webhook."""
    items = list(items)
    ids = _ids([item["id"] for item in items], width)
    rows = [
        (ids[item["id"]], item["name"], item["url"], ", ".join(item["events"])) for item in items
    ]
    return list_table(("id", "name", "url", "events"), rows, width, ("events",))


def deliveries(items: Iterable[Delivery], width: int) -> Table:
    """One row for each delivery."""
    items = list(items)
    ids = _ids([item["id"] for item in items], width)
    rows = [
        (
            ids[item["id"]],
            minute(item["created_at"]),
            item["event"],
            item["status"],
            str(item["attempts"]),
            item["error"] or "–",
        )
        for item in items
    ]
    labels = ("id", "created", "event", "status", "attempts", "error")
    return list_table(labels, rows, width, ("error", "created", "attempts"))


def _ids(texts: Sequence[str], width: int) -> dict[str, str]:
    """Each id as it is shown: complete if there is room, else its beginning.

    An id stays complete if another one in the list begins in the same way.
    """
    counts = Counter(text[:SHORT_ID] for text in set(texts))
    return {
        text: text if width >= WIDE or counts[text[:SHORT_ID]] > 1 else text[:SHORT_ID]
        for text in texts
    }


def minute(time: str | None) -> str:
    """A time up to its minute, in UTC; a dash for None."""
    return "–" if time is None else time[:_MINUTE].replace("T", " ")


def _day(time: str | None) -> str:
    """The day of a time in UTC; a dash for None."""
    return minute(time).partition(" ")[0]


def _status(item: Search) -> str:
    """What the search is doing, and why it ended."""
    return f"{phase(item)} ({item['reason']})" if item["reason"] else phase(item)


def _priority(item: Search) -> dict[str, str]:
    """The priority, where it is not the usual one."""
    priority = item.get("priority", "normal")
    return {} if priority == "normal" else {"priority": priority}


def _options(item: Search) -> dict[str, str]:
    """The options of the strategy, if the search has some; older services do not send them."""
    options = item.get("strategy_options") or {}
    text = ", ".join(f"{name} {value}" for name, value in options.items())
    return {"options": text} if text else {}


def _exported(item: Search) -> dict[str, str]:
    """Facts about the exported network beside its test; older services send fewer of them."""
    final = item["final"]
    if final is None:
        return {}
    share = item.get("compute_in_winner")
    return exported(ensemble(final), final.get("comparison"), final.get("precision"), share)


def _changes(item: Trial) -> str:
    """How a trial differs from its parent and, for a final fit, how it compares with it."""
    comparison = item.get("comparison")
    return "; ".join(filter(None, (steps(item, "; "), comparison and comparison["text"])))


def points(front: Front, in_percent: bool) -> Iterator[str]:
    """A line for each trial of a front, the network that the user gave first."""
    root, items = front.get("root"), front["items"]
    for point in [*([] if root is None or root in items else [root]), *items]:
        costs = {
            "parameters": f"{point['parameters']:,} parameters",
            "flops": f"{point['flops']:,} FLOPs",
            "latency": milliseconds(point["latency"]),
        }
        cost = costs.get(front["cost"], "–")
        given = ", the root" if point == root else ""
        beaten = ", beaten by the front" if point not in items else ""
        trial = f"trial {point['number']}{given}{beaten}"
        yield f"{metric(point['value'], in_percent)} with {cost} ({trial})"


def _name(text: str, width: int) -> Text:
    """A name that ends in an ellipsis where a narrow terminal has no room for it."""
    return Text(text, no_wrap=width < WIDE, overflow="ellipsis" if width < WIDE else "fold")


def headlines(description: Any, *, columns: bool = False) -> list[tuple[str, str]]:
    """How a data set was understood, as lines with labels; with each column of a table or not."""
    if description is None:
        return [("data", "imported by an older release, which did not describe it")]
    summary, notes, warnings = (description[key] for key in ("summary", "notes", "warnings"))
    return [
        *(("" if index else "data", text) for index, text in enumerate(summary)),
        *_column_lines(description.get("columns", ()), every=columns),
        *(("note", text) for text in notes),
        *(("warning", text) for text in warnings),
    ]


def _column_lines(columns: Any, *, every: bool) -> Iterator[tuple[str, str]]:
    """How the columns of a table were understood: every one, or those that are left out."""
    for one in columns:
        if every or one["taken_as"] == "left out":
            features = f", {one['features']} features" if one["features"] > 1 else ""
            yield "column", f"{one['name']!r}: {one['taken_as']}{features}; {one['reason']}"
