"""The commands on searches, run against a real service."""

import inspect
import json
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from annotated_types import Le

from core.protocol.contracts.bounds import Bounds
from core.protocol.contracts.budgets import Budget
from core.protocol.contracts.search_config import SearchConfig
from netmorph.client import Client
from netmorph.commands import searches
from netmorph.commands.search import search as search_command
from netmorph.commands.searches import request_of
from tests.netmorph.commands.conftest import refused


def test_a_search_is_listed_and_shown(ask, search) -> None:
    assert search["id"] in [item["id"] for item in ask("ls")]
    for text in (search["id"], search["id"][:8], "a test, of names", "last"):
        assert ask("show", text)["id"] == search["id"]
    assert isinstance(ask("trials", search["id"]), list)


def test_a_search_that_is_found_by_its_name_has_its_time_left(ask, service) -> None:
    with Client(service.url, service.key) as client:
        made = client.create_search(
            {"dataset": "digits", "budget": {"seconds": 600}, "name": "of ten minutes"}
        )
        while client.search(made["id"])["status"] == "pending":
            client.changed_search(made)
        for text in (made["id"], made["id"][:8], "of ten minutes", "last"):
            assert 0 < ask("show", text)["seconds_left"] <= 600
        client.delete(made["id"])


def test_a_search_with_a_cost_is_shown_with_its_front(service, ask, netmorph) -> None:
    with Client(service.url, service.key) as client:
        made = client.create_search({"dataset": "digits", "budget": {"trials": 2}, "cost": "flops"})
        client.stop(made["id"])
        front = {"metric": "accuracy", "cost": "flops", "items": [], "root": None}
        assert client.front(made["id"]) == front
        assert ask("show", made["id"])["front"] == []
        shown = netmorph("show", made["id"], "--data-dir", service.directory)
        assert "front" in shown.stdout
        client.delete(made["id"])


def test_a_search_is_paused_resumed_and_stopped(ask, search) -> None:
    assert ask("pause", search["id"])["status"] == "paused"
    assert ask("resume", search["id"])["status"] in {"pending", "running"}
    assert ask("stop", search["id"])["status"] == "stopped"
    assert ask("resume", search["id"])["status"] == "running"  # it has a budget still


def test_a_search_without_a_trial_is_not_finished(netmorph, service, search) -> None:
    """Without a worker no trial of it ever runs."""
    ended = netmorph("stop", search["id"], "--finish", "--data-dir", service.directory)
    assert "wait for the first trial, or stop the search" in refused(ended)


@pytest.mark.parametrize("command", [["ls"], ["show", "last"], ["trials", "last"]])
def test_without_json_the_commands_print_tables(netmorph, service, search, command) -> None:
    ended = netmorph(*command, "--data-dir", service.directory, COLUMNS="200")
    assert ended.returncode == 0, ended.stderr
    assert ("a test, of names" in ended.stdout) or ("morphisms" in ended.stdout)


def test_a_clone_is_the_same_request_again(service, ask) -> None:
    with Client(service.url, service.key) as client:
        made = client.create_search(
            {
                "dataset": "digits",
                "budget": {"trials": 3},
                "strategy": "evolution",
                "strategy_options": {"population": 5},
                "cost": "flops",
                "training": {"epochs": 2},
                "seed": 4,
                "name": "leaves",
            }
        )
        other = ask("clone", made["id"], "--seed", 7, "--trials", 2)
        third = ask("clone", other["id"])
        named = ask("clone", made["id"], "--name", "outlines")
        for item in (made, other, third, named):
            client.delete(item["id"])
    names = [item["name"] for item in (other, third, named)]
    assert names == ["leaves (2)", "leaves (3)", "outlines"]
    assert (other["seed"], other["budget"]["trials"]) == (7, 2)
    assert request_of(other) | {"seed": 4, "budget": made["budget"]} == request_of(made)


def test_a_clone_keeps_a_low_priority_and_no_high_one(service, ask) -> None:
    with Client(service.url, service.key) as client:
        for given, options, expected in (
            ("low", [], "low"),
            ("high", [], "normal"),
            ("low", ["--priority", "high"], "high"),
        ):
            body = {"dataset": "digits", "budget": {"trials": 3}, "priority": given}
            made = client.create_search(body)
            other = ask("clone", made["id"], *options)
            for item in (made, other):
                client.delete(item["id"])
            assert other["priority"] == expected


def test_a_clone_of_a_shared_search_is_on_a_data_set_of_ones_own(service, netmorph) -> None:
    x = np.arange(120.0).reshape(60, 2)
    with Client(service.url, service.key) as client:
        private = client.add_arrays("private", x=x, y=np.arange(60) % 2)
        made = client.create_search(
            {"dataset": private["id"], "budget": {"trials": 1}, "name": "to be read"}
        )
        client.edit_search(made["id"], shared=True)
        key = client.create_key("reader", "user")
    options = ("--url", service.url, "--key", key["key"])
    refusal = refused(netmorph("clone", "to be read", *options))
    assert "the data set 'private' of to be read belongs to another user: upload one" in refusal
    with Client(service.url, key["key"]) as reader:
        reader.add_arrays("mine", x=-x, y=np.arange(60) % 2)
    ended = netmorph("clone", "to be read", "--dataset", "mine", "--json", *options)
    assert json.loads(ended.stdout)["dataset"]["name"] == "mine"
    with Client(service.url, service.key) as client:
        for search_id in (json.loads(ended.stdout)["id"], made["id"]):
            client.delete(search_id)
        client.revoke_key(key["id"])


def test_a_clone_starts_from_the_same_network() -> None:
    search = {"root": "5d7c", "dataset": {"id": "d", "name": "digits"}, "seed": 3}
    assert request_of(search) == {"root": "5d7c", "dataset": "d", "seed": 3}  # type: ignore[arg-type]


def test_a_search_is_extended_also_after_it_was_stopped(ask, netmorph, service, search) -> None:
    ask("stop", search["id"])
    extended = ask("extend", search["id"], "--trials", 3, "--parallelism", 2)
    assert (extended["status"], extended["budget"]["trials"]) == ("running", 5)
    assert extended["priority"] == "normal"
    assert ask("extend", search["id"], "--priority", "low")["priority"] == "low"
    assert ask("show", search["id"])["priority"] == "low"
    ended = netmorph("extend", search["id"], "--minutes", 3, "--data-dir", service.directory)
    assert "has no limit in minutes; expected one of: trials" in refused(ended)
    ended = netmorph("extend", search["id"], "--trials", 99_999, "--data-dir", service.directory)
    assert "would have 100,004 trials in all; expected at most 100,000" in refused(ended)


@pytest.mark.parametrize("command", ["search", "clone", "extend"])
def test_the_limits_of_a_budget_are_those_of_the_service(command) -> None:
    """So an error names the option, in its unit."""
    _, *given = inspect.signature(getattr(searches, command, search_command)).parameters.values()
    most = {one.name: one.annotation.__metadata__[0].max for one in given if one.name in MOST}
    assert most
    assert most == {name: MOST[name] for name in most}


def most_of(kind: Any, field: str) -> float:
    """The largest value that a field of a message may have."""
    (limit,) = [one.le for one in kind.model_fields[field].metadata if isinstance(one, Le)]
    return limit


MOST = {
    "trials": most_of(Budget, "trials"),
    "minutes": most_of(Budget, "seconds") / 60,
    "parallelism": most_of(SearchConfig, "parallelism"),
    "max_parameters": most_of(Bounds, "parameters"),
    "max_latency": 1000 * most_of(Bounds, "latency"),
}


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("extend", "nothing to extend: give --trials, --minutes, --parallelism or --priority"),
        ("edit", "nothing to change: give --name, --tag, --untag, --note, --share or --no-share"),
        ("track", "nothing to write to: give --tensorboard FOLDER, --mlflow URI, or both"),
    ],
)
def test_a_command_without_what_it_is_for_is_wrong_usage(netmorph, command, message) -> None:
    """No service is needed to say so."""
    ended = netmorph(command, "last", "--json")
    assert ended.returncode == 2
    assert json.loads(ended.stderr) == {"error": f"Invalid value: {message}"}


def test_a_trial_or_worker_that_is_not_there_is_an_error(netmorph, service, search) -> None:
    options = ("--data-dir", service.directory)
    stopped = netmorph("trial", "stop", search["id"], 7, *options)
    assert "the search has no trial 7;" in refused(stopped)
    assert "no worker found for 'gpu'" in refused(netmorph("worker", "drain", "gpu", *options))


def test_a_search_is_tagged_and_a_network_enqueued(
    ask, netmorph, service, search, tmp_path
) -> None:
    edited = ask("edit", search["id"], "--tag", "b", "--tag", "a", "--untag", "b", "--note", "hm")
    assert (edited["tags"], edited["note"]) == (["a"], "hm")
    assert [item["id"] for item in ask("ls", "--tag", "a")] == [search["id"]]
    assert ask("ls", "--tag", "b") == []
    assert [ask("edit", search["id"], share)["shared"] for share in ("--share", "--no-share")] == [
        True, False,
    ]  # fmt: skip
    assert search["id"] in {item["id"] for item in ask("ls", "--own")}
    kinds = [
        ("input", {"shape": [1, 8, 8]}),
        ("flatten", {}),
        ("dense", {"units": 7}),
        ("dense", {"units": 10}),
        ("output", {}),
    ]
    nodes = [
        {"id": i, "kind": kind, "inputs": [i - 1] if i else [], **values}
        for i, (kind, values) in enumerate(kinds)
    ]
    mine = tmp_path / "mine.json"
    mine.write_text(json.dumps({"version": 1, "nodes": nodes}))
    queued = ask("enqueue", search["id"], mine)
    assert queued["search_id"] == search["id"]
    assert [one["name"] for one in ask("dequeue", search["id"])] == ["mine"]
    assert ask("dequeue", search["id"], "mine") == {"withdrawn": queued["network_id"]}
    assert ask("dequeue", search["id"]) == []
    gone = netmorph("dequeue", search["id"], "mine", "--data-dir", service.directory)
    assert "waiting: none; one that has become a trial ends by: netmorph trial stop" in refused(
        gone
    )


def test_what_happened_to_a_search_is_printed(ask, netmorph, service, search) -> None:
    ask("stop", search["id"])
    ended = netmorph("logs", search["id"], "--data-dir", service.directory)
    assert "  created: bayesian on digits\n" in ended.stdout
    assert "  stopped: stopped by " in ended.stdout.splitlines()[-1]
    assert ask("logs", search["id"])[0]["trial"] is None
    without = netmorph("logs", search["id"], "--trial", 9, "--data-dir", service.directory)
    assert "the search has no trial 9" in refused(without)


def test_the_lineage_of_a_search_without_a_value_says_what_to_do(netmorph, service, search) -> None:
    where = (search["id"], "--data-dir", service.directory)
    assert "give --trial" in refused(netmorph("lineage", *where))
    assert "has no trial 7" in refused(netmorph("lineage", *where, "--trial", 7))


def test_an_ended_search_is_watched_to_its_summary(service, ask, netmorph, search) -> None:
    ask("stop", search["id"])
    assert ask("watch", search["id"])["status"] == "stopped"
    ended = netmorph("watch", search["id"], "--data-dir", service.directory)
    assert ended.stdout.startswith("status     stopped (stopped by")


def test_searches_are_deleted_after_a_question_or_with_yes(service, ask, netmorph) -> None:
    body = {"dataset": "digits", "budget": {"trials": 1}}
    with Client(service.url, service.key) as client:
        made = [client.create_search(body)["id"] for _ in range(2)]
        unsure = netmorph("rm", *made, "--data-dir", service.directory)
        assert "add --yes" in refused(unsure)
        assert ask("rm", *made, "--yes") == {"deleted": made}
        assert not {item["id"] for item in client.searches()} & set(made)


def test_an_error_is_json_on_standard_error(netmorph, service) -> None:
    ended = netmorph("show", "nope", "--json", "--data-dir", service.directory)
    assert (ended.returncode, ended.stdout) == (1, "")
    assert "no search found" in json.loads(ended.stderr)["error"]
    wrong = netmorph("show", "--nope", "--json")
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert "--nope" in json.loads(wrong.stderr)["error"]


def test_without_a_worker_the_list_says_how_to_start_one(ask, netmorph, service) -> None:
    assert ask("worker", "ls") == []
    ended = netmorph("worker", "ls", "--data-dir", service.directory)
    assert "netmorph up --workers 1" in ended.stderr


def test_a_search_that_is_not_there_is_an_error(netmorph, service) -> None:
    ended = netmorph("show", "nothing like it", "--data-dir", service.directory)
    assert "no search found for 'nothing like it'" in refused(ended)
    ended = netmorph("show", str(UUID(int=7)), "--data-dir", service.directory)
    assert f"no search found for '{UUID(int=7)}'; expected one: `netmorph ls`" in refused(ended)


def test_a_search_without_a_final_fit_has_no_export(netmorph, service, search, tmp_path) -> None:
    options = ("--to", tmp_path / "net", "--data-dir", service.directory)
    assert "has no exported model yet" in refused(netmorph("export", search["id"], *options))
    with Client(service.url, service.key) as client:
        client.stop(search["id"])
    ended = refused(netmorph("export", search["id"], *options))
    assert "is stopped (stopped by" in ended
    assert "extend its budget, then it runs on to an export" in ended
    assert "yet" not in ended
    assert not (tmp_path / "net").exists()
