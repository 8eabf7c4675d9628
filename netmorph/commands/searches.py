"""The commands on searches: ls, show, watch, trials, pause, resume, stop, extend, clone, …"""

import sys
from collections.abc import Iterator
from http import HTTPStatus
from itertools import islice
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import typer

from netmorph import event_log, lineage, progress, tables
from netmorph.answers import Epoch, Queued, Search, TrialExport
from netmorph.client import Client
from netmorph.commands import matching
from netmorph.commands.options import (
    MOST_IN_FLIGHT,
    MOST_MINUTES,
    MOST_TRIALS,
    ClonePriorityOption,
    JsonOption,
    OtherPriorityOption,
    Priority,
    SearchArgument,
    connect,
    console,
    messages,
    print_json,
    with_service,
)
from netmorph.commands.preparing import (
    MeanOption,
    ScaleOption,
    StdOption,
    preparation_of,
    read_network,
)
from netmorph.errors import ClientError, RefusedRequest
from netmorph.report import print_summary, summary
from netmorph.target import Target

_MOST = {"trials": MOST_TRIALS, "seconds": 60 * MOST_MINUTES}
#: Fields of a search that a request for it has, too.
_REQUEST = (
    "task",
    "strategy",
    "strategy_options",
    "cost",
    "budget",
    "parallelism",
    "seed",
    "training",
    "bounds",
    "root",
    "keep_accuracy",
    "int8",
)


@with_service
def ls(
    service: Target,
    tag: Annotated[
        list[str] | None, typer.Option(help="Only searches with this tag; may be repeated.")
    ] = None,
    own: Annotated[
        bool, typer.Option("--own", help="Only searches that were created with your key.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """List your searches and those that others share, the newest first."""
    with connect(service) as client:
        items = list(client.searches(tag or (), own=own))
    if as_json:
        print_json(items)
    else:
        out = console()
        out.print(tables.searches(items, out.width))


@with_service
def show(
    service: Target,
    search: SearchArgument = "last",
    as_json: JsonOption = False,
) -> None:
    """Show one search, the lineage of its winner and, with a cost, its Pareto front."""
    with connect(service) as client:
        item = resolve(client, search)
        number = lineage.winner(item)
        line = [] if number is None else lineage.ancestry(client.trials(item["id"]), number)
        front = client.front(item["id"]) if item.get("cost") else None
    words = lineage.in_words(line, item)
    if as_json:
        print_json({**item, "lineage": words, "front": front and front["items"]})
    else:
        console().print(tables.search(item, words, front))


@with_service
def watch(
    service: Target,
    search: SearchArgument = "last",
    as_json: JsonOption = False,
) -> None:
    """Follow a search until it ends or is paused. Ctrl-C ends the watching, not the search.

    With --json, each change is one line: the search as it is then.
    """
    with connect(service) as client:
        item = resolve(client, search)
        if as_json:
            ended = item
            for ended in progress.changes(client, item):
                print_json(ended)
        else:
            ended = progress.follow(client, item, messages())
            print_summary(summary(client, ended, None), console())
    raise typer.Exit(1 if ended["status"] == "failed" else 0)


@with_service
def trials(
    service: Target,
    search: SearchArgument = "last",
    as_json: JsonOption = False,
) -> None:
    """List the trials of a search."""
    with connect(service) as client:
        item = resolve(client, search)
        items = list(client.trials(item["id"]))
    if as_json:
        print_json(items)
    else:
        out = console()
        out.print(tables.trials(items, out.width, item.get("in_percent", True)))


@with_service
def logs(
    service: Target,
    search: SearchArgument = "last",
    trial: Annotated[
        int | None, typer.Option(min=0, help="Only the trial with this number, with its epochs.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Print what happened to a search and its trials, and why, in the order of time."""
    with connect(service) as client:
        item = resolve(client, search)
        in_percent = item.get("in_percent", True)
        epochs: list[Epoch] = []
        exports = _exports(client, item["id"])
        if trial is None:
            events = event_log.of_search(item, client.trials(item["id"]), exports)
        else:
            chosen = client.trial(item["id"], trial)
            of_trial = [one for one in exports if one["number"] == trial]
            events = [
                *event_log.of_trial(chosen, item),
                *(event for one in of_trial for event in event_log.of_export(one, item)),
            ]
            epochs = client.epochs(chosen["id"])
    if as_json:
        print_json({"events": events, "epochs": epochs} if trial is not None else events)
        return
    lines = [event_log.line(event) for event in events]
    lines += [event_log.epoch_line(epoch, in_percent) for epoch in epochs]
    for text in lines:
        console().print(text, soft_wrap=True)


def _exports(client: Client, search_id: str) -> list[TrialExport]:
    """The exports of trials of a search; none from an older service, which does not list them."""
    try:
        return client.trial_exports(search_id)
    except RefusedRequest as error:
        if error.status != HTTPStatus.NOT_FOUND:
            raise
        return []


@with_service
def pause(
    service: Target,
    search: SearchArgument,
    as_json: JsonOption = False,
) -> None:
    """Pause a search: running trials end, no further ones start."""
    with connect(service) as client:
        _print_status(client.pause(resolve(client, search)["id"]), as_json=as_json)


@with_service
def resume(
    service: Target,
    search: SearchArgument,
    as_json: JsonOption = False,
) -> None:
    """Continue a paused search, or a stopped one that has not spent its budget."""
    with connect(service) as client:
        item = resolve(client, search)
        is_reopened = item["status"] in {"completed", "stopped"}
        _print_status(
            client.extend(item["id"]) if is_reopened else client.resume(item["id"]),
            as_json=as_json,
        )


@with_service
def stop(
    service: Target,
    search: SearchArgument,
    finish: Annotated[
        bool,
        typer.Option(
            "--finish",
            help="Let running trials end, then train and export the best network so far.",
        ),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Stop a search at once, or with --finish after the export of its best network."""
    with connect(service) as client:
        end = client.finish if finish else client.stop
        _print_status(end(resolve(client, search)["id"]), as_json=as_json)


@with_service
def extend(
    service: Target,
    search: SearchArgument,
    trials: Annotated[
        int | None, typer.Option(min=1, max=MOST_TRIALS, help="This many trials more.")
    ] = None,
    minutes: Annotated[
        float | None,
        typer.Option(min=0.1, max=MOST_MINUTES, help="This many minutes more, final fit included."),
    ] = None,
    parallelism: Annotated[
        int | None,
        typer.Option(
            min=1, max=MOST_IN_FLIGHT, help="Trials in flight from now on. Default: as before."
        ),
    ] = None,
    priority: OtherPriorityOption = None,
    as_json: JsonOption = False,
) -> None:
    """Let a search spend more, or change its priority. An ended one runs on with more to spend.

    For example: `netmorph extend last --minutes 10`.
    """
    if (trials, minutes, parallelism, priority) == (None,) * 4:
        raise typer.BadParameter(
            "nothing to extend: give --trials, --minutes, --parallelism or --priority"
        )
    with connect(service) as client:
        item = resolve(client, search)
        more = {"trials": trials, "seconds": None if minutes is None else 60 * minutes}
        limits: dict[str, float | str] = {**new_limits(item, more)}
        if parallelism is not None:
            limits["parallelism"] = parallelism
        if priority is not None:
            limits["priority"] = priority.value
        _print_status(client.extend(item["id"], **limits), as_json=as_json)


def new_limits(item: Search, more: dict[str, float | None]) -> dict[str, float]:
    """The limits of a search with these additions, in full.

    Raises:
        ClientError: the search has no limit of this kind, or no budget may have so much.
    """
    budget: dict[str, float | None] = {**item["budget"]}  # type: ignore[dict-item]
    limits = {}
    for name, addition in more.items():
        if addition is None:
            continue
        if (limit := budget.get(name)) is None:
            known = ", ".join(_unit(one) for one, value in budget.items() if value is not None)
            raise ClientError(
                f"{item['name']} has no limit in {_unit(name)}; expected one of: {known}"
            )
        limits[name] = limit + addition
        if limits[name] > (most := _MOST[name]):
            scale = 60 if name == "seconds" else 1
            raise ClientError(
                f"{item['name']} would have {limits[name] / scale:,.10g} {_unit(name)} in all; "
                f"expected at most {most / scale:,.10g}"
            )
    return limits


def _unit(limit: str) -> str:
    """The unit that people give for a limit of a search."""
    return "minutes" if limit == "seconds" else limit


@with_service
def edit(
    service: Target,
    search: SearchArgument,
    name: Annotated[str | None, typer.Option(help="Another name.")] = None,
    tag: Annotated[list[str] | None, typer.Option(help="Add this tag; may be repeated.")] = None,
    untag: Annotated[
        list[str] | None, typer.Option(help="Remove this tag; may be repeated.")
    ] = None,
    note: Annotated[str | None, typer.Option(help="Another note; '' removes it.")] = None,
    share: Annotated[
        bool | None,
        typer.Option(help="Let all users of the service read it, or only you and admins."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Change the name, the tags or the note of a search, or share it with all users to be read."""
    if not (tag or untag) and (name, note, share) == (None,) * 3:
        raise typer.BadParameter(
            "nothing to change: give --name, --tag, --untag, --note, --share or --no-share"
        )
    with connect(service) as client:
        item = resolve(client, search)
        tags = sorted({*item["tags"], *(tag or ())} - {*(untag or ())})
        changes: dict[str, str | bool | list[str]] = {"tags": tags} if tag or untag else {}
        changes |= {} if name is None else {"name": name}
        changes |= {} if note is None else {"note": note}
        changes |= {} if share is None else {"shared": share}
        item = client.edit_search(item["id"], **changes)
    if as_json:
        print_json(item)
    else:
        tagged = f", tagged {', '.join(item['tags'])}" if item["tags"] else ""
        shared = ", shared with all users" if item.get("shared") else ""
        console().print(f"{item['name']} ({item['id']}){tagged}{shared}", soft_wrap=True)


@with_service
def enqueue(
    service: Target,
    search: SearchArgument,
    network: Annotated[
        Path,
        typer.Argument(
            help="An ONNX file, a program of torch.export (.pt2), the folder of an export, or an "
            "architecture as JSON or YAML (without weights)."
        ),
    ],
    scale: ScaleOption = None,
    mean: MeanOption = None,
    std: StdOption = None,
    as_json: JsonOption = False,
) -> None:
    """Let a network of your own become the next trial of a search.

    For example: `netmorph enqueue last mine.onnx`.
    """
    given = read_network(network, preparation_of(scale, mean, std))
    with connect(service) as client:
        item = resolve(client, search)
        uploaded = client.add_network(given.name, given.architecture, given.weights)
        answer = client.enqueue(item["id"], uploaded["id"])
    if as_json:
        print_json(answer)
        return
    number = answer["number"]
    when = "becomes the next trial" if number is None else f"is trial {number}"
    for note in given.notes:
        messages().print(note, soft_wrap=True)
    console().print(f"{given.name} {when} of {item['name']}", soft_wrap=True)


@with_service
def dequeue(
    service: Target,
    search: SearchArgument,
    network: Annotated[
        str | None,
        typer.Argument(help="An enqueued network: its name, or its id. Default: list them."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Remove a network from the queue of a search before its trial is made."""
    with connect(service) as client:
        item = resolve(client, search)
        queue = client.enqueued(item["id"])
        if network is not None:
            found = queued(queue, network)
            client.withdraw(item["id"], found["network_id"])
    if network is None and as_json:
        print_json(queue)
    elif network is None:
        for one in queue:
            console().print(f"{one['network_id']}  {one['name']}", soft_wrap=True)
    elif as_json:
        print_json({"withdrawn": found["network_id"]})
    else:
        console().print(f"{found['name']} is not enqueued any more", soft_wrap=True)


def queued(queue: list[Queued], text: str) -> Queued:
    """The enqueued network of this id, or the only one of this name.

    Raises:
        ClientError: none or several match.
    """
    found = [one for one in queue if text in (one["network_id"], one["name"])]
    if len(found) != 1:
        number = "no" if not found else str(len(found))
        waiting = ", ".join(f"{one['name']} ({one['network_id']})" for one in queue) or "none"
        made = "" if found else "; one that has become a trial ends by: netmorph trial stop"
        raise ClientError(f"{number} enqueued network found for {text!r}; waiting: {waiting}{made}")
    return found[0]


@with_service
def clone(
    service: Target,
    search: SearchArgument,
    name: Annotated[
        str | None,
        typer.Option(help="Name of the new search. Default: that of the search, with a number."),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(min=0, max=2**31 - 1, help="Another seed. Default: that of the search."),
    ] = None,
    trials: Annotated[
        int | None,
        typer.Option(min=1, max=MOST_TRIALS, help="Another budget: number of trials."),
    ] = None,
    minutes: Annotated[
        float | None,
        typer.Option(
            min=0.2, max=MOST_MINUTES, help="Another budget: minutes, final fit included."
        ),
    ] = None,
    dataset: Annotated[
        str | None,
        typer.Option(
            help="The name or id of another data set of the same kind. Default: that of the search."
        ),
    ] = None,
    priority: ClonePriorityOption = None,
    as_json: JsonOption = False,
) -> None:
    """Start the same search again, with another seed, budget or data set where these are given.

    For example: `netmorph clone last --seed 1`.
    """
    with connect(service) as client:
        item = resolve(client, search)
        body = request_of(item) | ({} if dataset is None else {"dataset": dataset})
        if trials is not None or minutes is not None:
            seconds = None if minutes is None else 60 * minutes
            body["budget"] = {"trials": trials, "seconds": seconds}
        body |= {} if seed is None else {"seed": seed}
        if priority is not None:
            body["priority"] = priority.value
        elif item.get("priority") == Priority.LOW:
            body["priority"] = Priority.LOW.value
        try:
            created = _create_named(client, body, name, after=item)
        except RefusedRequest as error:
            if dataset is None and not error.errors:  # no field is wrong
                _require_dataset(client, item)
            raise
    if as_json:
        print_json(created)
    else:
        console().print(f"{created['name']} is search {created['id']}", soft_wrap=True)
        messages().print(f"to follow it: netmorph watch {created['id'][:8]}", soft_wrap=True)


def _require_dataset(client: Client, item: Search) -> None:
    """Raise ClientError where the data set of a shared search is not the user's to search on."""
    name, wanted = item["dataset"]["name"], item["dataset"]["id"]
    if all(one["id"] != wanted for one in client.datasets()):
        raise ClientError(
            f"the data set {name!r} of {item['name']} belongs to another user: upload one of yours "
            "(netmorph dataset add), and give its name by --dataset"
        )


def _create_named(
    client: Client, body: dict[str, Any], name: str | None, *, after: Search
) -> Search:
    """Create a search of this name; without one, the service names it after another search."""
    if name is not None:
        return client.create_search(body | {"name": name})
    try:
        return client.create_search(body | {"name_after": after["id"]})
    except RefusedRequest as error:
        if all(one.get("field") != "name_after" for one in error.errors):
            raise
        return client.create_search(body)  # an older service, which refuses the field


def request_of(search: Search) -> dict[str, Any]:
    """The body of `POST /v1/searches` that requests the same search again, without its name."""
    # Older services have one metric for each task type, and refuse the field in a request.
    names = (*_REQUEST, "metric") if "larger_is_better" in search else _REQUEST
    return {name: search[name] for name in names if name in search} | {  # type: ignore[literal-required]
        "dataset": search["dataset"]["id"]
    }


@with_service
def rm(
    service: Target,
    searches: Annotated[
        list[str], typer.Argument(help="Searches: ids, beginnings of ids, names, or `last`.")
    ],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Delete searches with their trials and models. Exported folders stay."""
    with connect(service) as client:
        items = [resolve(client, text) for text in searches]
        if not yes:
            _confirm(items)
        for item in items:
            client.delete(item["id"])
    if as_json:
        print_json({"deleted": [item["id"] for item in items]})
    else:
        for item in items:
            console().print(f"deleted {item['name']} ({item['id']})", soft_wrap=True)


def _confirm(items: list[Search]) -> None:
    """Ask whether to delete these searches; raise ClientError where nobody can answer."""
    names = ", ".join(f"{item['name']} ({item['status']})" for item in items)
    if not sys.stdin.isatty():
        raise ClientError(f"to delete {names} without a question, add --yes")
    typer.confirm(f"Delete {names}, with all trials and models?", abort=True, err=True)


def resolve(client: Client, text: str) -> Search:
    """The search with this id or name, or whose id begins with `text`; the newest for `last`.

    Searches of others, which are shared or which an admin sees, count where no own one matches.

    Raises:
        ClientError: no search or several searches match.
    """
    advice = "expected one: `netmorph ls` lists the names and ids"
    if _is_id(text):
        try:
            return client.search(text)
        except RefusedRequest as error:
            if error.status != HTTPStatus.NOT_FOUND:
                raise
            raise ClientError(f"no search found for {text!r}; {advice}") from None
    found = _matching(client.searches(own=True), text) or _matching(client.searches(), text)
    item = matching.only(found, text, "search", advice, plural="searches")
    return client.search(item["id"])  # lists leave the time left out


def _matching(searches: Iterator[Search], text: str) -> list[Search]:
    if text == "last":
        return list(islice(searches, 1))
    return [item for item in searches if item["name"] == text or matching.begins(item, text)]


def _is_id(text: str) -> bool:
    """Whether the text is a complete id, so that no list is needed to find it."""
    try:
        return str(UUID(text)) == text.lower()
    except ValueError:
        return False


def _print_status(search: Search, *, as_json: bool) -> None:
    if as_json:
        print_json(search)
    else:
        console().print(f"{search['name']} is {search['status']}", soft_wrap=True)
