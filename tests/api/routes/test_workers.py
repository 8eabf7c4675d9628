"""The list of workers, and what each of them has trained, over HTTP."""

import json
from uuid import uuid4

from sqlalchemy import text
from typer.testing import CliRunner

from api.models.trials import Trial
from api.store import leases, results
from netmorph.cli import app as commands
from netmorph.client import Client
from tests.api.store.reports import LEASE


def test_a_worker_is_shown_with_its_last_day_and_its_trials_in_pages(person, world, do, address):
    owner = person()
    search = world.search(owner.caller)
    box = world.worker("box")
    trials = []
    for status in ("completed", "failed", "completed"):
        trials.append(world.trial(search))
        held = do(leases.take, box, box.boot_id, LEASE, trials[-1]).held
        sent = world.result(
            held, status, retry=False, reason="it ended", seconds=2.0, samples_per_second=10.0,
            precision="fp32",
        )  # fmt: skip
        do(results.end_attempt, trials[-1], sent, b"digest", 3)

    with Client(address, owner.key) as client:
        (listed,) = client.workers()
        found = client.worker(listed["id"])
        assert {name: found[name] for name in listed} == listed
        assert (found["precision"], found["samples_per_second"]) == ("fp32", 10.0)
        day = found["last_day"]
        assert (day["completed"], day["failed"]) == (2, 1)
        assert [one["reason"] for one in day["problems"]] == ["it ended"]
        ended = list(client.worker_trials(listed["id"]))
    assert [one["trial_id"] for one in ended] == [str(one) for one in reversed(trials)]
    assert [one["number"] for one in ended] == [2, 1, 0]
    assert (ended[2]["seconds"], ended[2]["search_name"]) == (2.0, "a search")

    path = f"/v1/workers/{box.worker_id}/trials"
    first = owner.http.get(path, params={"limit": 2}).json()
    rest = owner.http.get(path, params={"limit": 2, "cursor": first["next_cursor"]}).json()
    assert first["items"] + rest["items"] == ended
    assert rest["next_cursor"] is None
    for wrong in ({"limit": 0}, {"limit": 501}, {"cursor": "no cursor"}):
        assert owner.http.get(path, params=wrong).status_code == 422


def test_others_see_the_worker_and_nothing_of_what_it_trained(person, world, do):
    owner, stranger = person(), person()
    trial = world.trial(world.search(owner.caller))
    box = world.worker("box")
    held = do(leases.take, box, box.boot_id, LEASE, trial).held
    do(results.end_attempt, trial, world.result(held, samples_per_second=5.0), b"digest", 3)

    found = stranger.http.get(f"/v1/workers/{box.worker_id}").json()
    assert found["name"] == "box"
    assert found["samples_per_second"] is None
    assert found["last_day"] == {"completed": 0, "failed": 0, "problems": []}
    assert stranger.http.get(f"/v1/workers/{box.worker_id}/trials").json()["items"] == []
    unknown = stranger.http.get(f"/v1/workers/{uuid4()}")
    assert (unknown.status_code, "netmorph worker ls" in unknown.json()["detail"]) == (404, True)


def test_the_command_shows_a_worker_by_its_name(person, world, do, address):
    owner = person()
    trial = world.trial(world.search(owner.caller))
    box = world.worker("box")
    for status, values in (
        ("failed", {"reason": "CUDA error"}),
        ("completed", {"seconds": 62.0, "samples_per_second": 1234.0, "precision": "bf16"}),
    ):
        world.set(Trial, trial, available_at=text("now()"))
        held = do(leases.take, box, box.boot_id, LEASE, trial).held
        do(results.end_attempt, trial, world.result(held, status, **values), b"digest", 3)

    def ask(*arguments: str) -> str:
        target = ("--url", address, "--key", owner.key)
        ended = CliRunner().invoke(commands, ["worker", *arguments, *target])
        assert ended.exit_code == 0, ended.output
        return ended.stdout

    shown = ask("show", "box")
    for words in ("1 completed, 1 failed", "CUDA error", "1:02", "1,234", "bf16", "yes"):
        assert words in shown
    assert "1,234" in ask("ls")
    found = json.loads(ask("show", str(box.worker_id)[:8], "--json"))
    assert [one["trial_id"] for one in found["trials"]] == [str(trial)]
    assert found["last_day"]["problems"][0]["tried_again"] is True
    assert json.loads(ask("show", "box", "--trials", "0", "--json"))["trials"] == []
