"""The REST interface, used as it should be."""

import threading
import time
from pathlib import Path

import pytest
from sqlalchemy import insert, text

from api.controller.service import LONGEST_STEP
from api.models.searches import Search
from api.models.trials import Epoch, Trial
from api.roles import Role
from core.protocol.contracts.budgets import Budget
from core.protocol.states import SearchStatus
from netmorph.client import Client

GOOD = {"dataset": "digits", "budget": {"trials": 3}, "name": "mine"}


def test_a_search_is_created_found_and_listed(person):
    client = person().http
    made = client.post("/v1/searches", json=GOOD)
    assert made.status_code == 201
    assert made.headers["location"] == f"/v1/searches/{made.json()['id']}"
    found = client.get(made.headers["location"])
    assert found.json() == made.json() | {"now": found.json()["now"]}
    assert (found.json()["status"], found.json()["name"]) == ("pending", "mine")
    assert found.json()["budget"]["trials"] == 3
    assert [one["id"] for one in client.get("/v1/searches").json()["items"]] == [made.json()["id"]]


def test_the_same_idempotency_key_makes_one_search(person):
    client, other = person().http, person().http
    key = {"Idempotency-Key": "once"}
    first, again = (client.post("/v1/searches", json=GOOD, headers=key).json() for _ in range(2))
    assert first["id"] == again["id"]
    changed = client.post("/v1/searches", json=GOOD | {"seed": 7}, headers=key)
    assert changed.status_code == 422  # the key belongs to another request
    theirs = other.post("/v1/searches", json=GOOD, headers=key).json()
    assert theirs["id"] != first["id"]
    assert len(client.get("/v1/searches").json()["items"]) == 1


def test_pages_have_every_search_once_with_the_newest_first(person, world):
    user = person()
    made = [str(world.search(user.caller)) for _ in range(5)]
    seen, cursor = [], None
    while True:
        question = {"limit": 2} | ({"cursor": cursor} if cursor else {})
        page = user.http.get("/v1/searches", params=question).json()
        assert len(page["items"]) <= 2
        seen += [one["id"] for one in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert seen == made[::-1]


def test_an_unchanged_search_is_answered_in_few_bytes(person, world):
    user = person()
    search_id = world.search(user.caller)
    path = f"/v1/searches/{search_id}"
    first = user.http.get(path)
    version = first.json()["version"]
    assert first.headers["etag"] == f'"{version}"'
    for question in (
        {"params": {"since": version}},
        {"headers": {"If-None-Match": first.headers["etag"]}},
    ):
        answer = user.http.get(path, **question)
        assert (answer.status_code, answer.content) == (304, b"")
    for unreadable in ("x" * 5000, '"7' + "7" * 300 + '"'):  # counts as absent
        answer = user.http.get(path, headers={"If-None-Match": unreadable})
        assert (answer.status_code, answer.json()["version"]) == (200, version)
    assert user.http.post(f"{path}:pause").status_code == 200
    changed = user.http.get(path, params={"since": version})
    assert changed.json()["status"] == "paused"
    assert changed.json()["version"] > version


def test_an_unknown_name_in_a_query_is_refused_and_the_close_one_named(person, world):
    http = person(Role.ADMIN).http
    for path, words in (
        ("/v1/searches?tags=x", "did you mean 'tag'?"),
        ("/v1/searches?limit=5&state=running", "did you mean 'status'?"),
        (
            f"/v1/searches/{world.search()}/trials?page=2",
            "expected limit, cursor, sort, status, text",
        ),
        ("/v1/me?x=1", "this address takes none"),
        ("/v1/keys?x=1", "this address takes none"),
    ):
        answer = http.get(path)
        assert (answer.status_code, words in answer.json()["detail"]) == (422, True), answer.text


def test_searches_are_filtered_and_sorted(person, world):
    user = person()
    running, paused = (
        str(world.search(user.caller, status))
        for status in (SearchStatus.RUNNING, SearchStatus.PAUSED)
    )
    user.http.patch(f"/v1/searches/{paused}", json={"name": "50% Data"})
    dataset = user.http.get(f"/v1/searches/{running}").json()["dataset"]["id"]
    for query, expected in (
        ({}, [paused, running]),
        ({"sort": "created_at"}, [running, paused]),
        ({"status": "running"}, [running]),
        ({"status": ["running", "paused"]}, [paused, running]),
        ({"status": "failed"}, []),
        ({"dataset": dataset}, [running]),
        ({"text": "% d"}, [paused]),
        ({"text": "%%"}, []),
    ):
        page = user.http.get("/v1/searches", params=query).json()
        assert [one["id"] for one in page["items"]] == expected, query
    first = user.http.get("/v1/searches", params={"sort": "created_at", "limit": 1}).json()
    second = {"sort": "created_at", "limit": 1, "cursor": first["next_cursor"]}
    (last,) = user.http.get("/v1/searches", params=second).json()["items"]
    assert last["id"] == paused


def test_trials_are_filtered_and_sorted_in_pages(person, world):
    user = person()
    search_id = world.search(user.caller)
    for value in (0.2, 0.9, None, 0.5):
        ended = {"status": "completed", "ended_at": text("now()"), "value": value} if value else {}
        world.trial(search_id, **ended)
    path, numbers, cursor = f"/v1/searches/{search_id}/trials", [], None
    while True:
        query = {"sort": "-value", "limit": 2} | ({"cursor": cursor} if cursor else {})
        page = user.http.get(path, params=query).json()
        numbers += [one["number"] for one in page["items"]]
        if (cursor := page["next_cursor"]) is None:
            break
        other = user.http.get(path, params={"sort": "value", "cursor": cursor})
        assert (other.status_code, "another list" in other.text) == (422, True)
    assert numbers == [1, 3, 0, 2]
    waiting = user.http.get(path, params={"status": "waiting"}).json()
    assert [one["number"] for one in waiting["items"]] == [2]
    assert user.http.get(path, params={"sort": "colour"}).status_code == 422


def test_a_key_names_itself(person):
    user = person()
    found = user.http.get("/v1/me").json()
    assert (found["id"], found["role"]) == (str(user.caller.key_id), "user")
    assert "key" not in found


def test_an_edit_of_a_search_that_has_changed_is_refused(person, world):
    user = person()
    path = f"/v1/searches/{world.search(user.caller)}"
    read = user.http.get(path).headers["etag"]
    first = user.http.patch(path, json={"note": "one"}, headers={"If-Match": read})
    assert (first.status_code, first.headers["etag"] != read) == (200, True)
    late = user.http.patch(path, json={"note": "two"}, headers={"If-Match": read})
    assert (late.status_code, late.headers["etag"]) == (412, first.headers["etag"])
    assert user.http.get(path).json()["note"] == "one"
    again = user.http.patch(path, json={"note": "two"}, headers={"If-Match": late.headers["etag"]})
    assert again.json()["note"] == "two"
    stranger = person().http.patch(path, json={"note": "x"}, headers={"If-Match": read})
    assert stranger.status_code == 404


def test_a_long_poll_is_answered_by_the_change(person, world):
    user = person()
    path = f"/v1/searches/{world.search(user.caller)}"
    version = user.http.get(path).json()["version"]
    answers = []
    asking = threading.Thread(
        target=lambda: answers.append(
            user.http.get(path, params={"since": version, "wait": 20}).json()["status"]
        )
    )
    asking.start()
    assert user.http.post(f"{path}:stop").status_code == 200
    asking.join()
    assert answers == ["stopped"]


@pytest.mark.parametrize(
    ("status", "action", "code", "after"),
    [
        ("running", "pause", 200, "paused"),
        ("running", "resume", 200, "running"),
        ("running", "stop", 200, "stopped"),
        ("running", "finish", 409, "running"),  # it has no trial
        ("finishing", "finish", 200, "finishing"),
        ("stopped", "finish", 409, "stopped"),
        ("paused", "pause", 200, "paused"),
        ("paused", "resume", 200, "running"),
        ("paused", "stop", 200, "stopped"),
        ("completed", "pause", 409, "completed"),
        ("completed", "resume", 409, "completed"),
        ("stopped", "resume", 409, "stopped"),
        ("stopped", "stop", 200, "stopped"),
        ("failed", "pause", 409, "failed"),
    ],
)
def test_an_action_is_allowed_or_refused_by_the_state_of_the_search(
    person, world, status, action, code, after
):
    user = person()
    search_id = world.search(user.caller)
    world.set(Search, search_id, status=SearchStatus(status))
    answer = user.http.post(f"/v1/searches/{search_id}:{action}")
    assert answer.status_code == code, answer.text
    assert user.http.get(f"/v1/searches/{search_id}").json()["status"] == after
    if code == 409:
        assert status in answer.json()["detail"]


def test_a_search_is_extended_by_new_limits_in_full(person, world):
    user = person()
    path = f"/v1/searches/{world.search(user.caller, budget=Budget(trials=3))}"
    versions = set()
    for _ in range(2):  # the same request again changes nothing
        answer = user.http.post(f"{path}:extend", json={"trials": 5, "parallelism": 2})
        assert answer.status_code == 200, answer.text
        versions.add(answer.json()["version"])
    assert (answer.json()["budget"]["trials"], answer.json()["parallelism"]) == (5, 2)
    assert len(versions) == 1
    for wrong, detail in (
        ({"trials": 4}, "below the present limit of 5"),
        ({"seconds": 60}, "expected one of trials"),
        ({"epochs": 0}, "epochs"),
    ):
        refused = user.http.post(f"{path}:extend", json=wrong)
        assert refused.status_code == 422
        assert detail in refused.text
    user.http.post(f"{path}:stop")
    assert user.http.post(f"{path}:extend", json={}).json()["status"] == "running"


def test_a_search_is_renamed_tagged_and_found_by_its_tags(person, world):
    user = person()
    path = f"/v1/searches/{world.search(user.caller)}"
    world.search(user.caller)
    change = {"name": "better", "tags": ["b", "a", "b"], "note": "first line\nsecond"}
    versions = {user.http.patch(path, json=change).json()["version"] for _ in range(2)}
    found = user.http.get(path).json()
    assert (found["name"], found["tags"], found["note"]) == ("better", ["a", "b"], change["note"])
    assert versions == {found["version"]}
    for tags, count in ((["a"], 1), (["a", "b"], 1), (["a", "c"], 0)):
        listed = user.http.get("/v1/searches", params={"tag": tags}).json()["items"]
        assert len(listed) == count
    assert user.http.patch(path, json={"tags": []}).json()["name"] == "better"
    for wrong in ({"name": " "}, {"tags": ["x" * 65]}, {"note": 5}, {"colour": "red"}):
        assert user.http.patch(path, json=wrong).status_code == 422


def test_a_search_is_previewed_without_being_created(person):
    client = person().http
    body = GOOD | {"budget": {"seconds": 600}, "bounds": {"parameters": 50_000}}
    found = client.post("/v1/searches:validate", json=body).json()
    assert len(found["roots"]) > 1  # a race
    for root in found["roots"]:
        assert 0 < root["parameters"] <= 50_000
        assert 0 < root["seconds"] < found["trial_seconds"] < 600
    assert (found["bounds"]["parameters"], found["workers"]) == (50_000, 0)
    impossible = GOOD | {"strategy": "guess"}
    previewed, created = (
        client.post(path, json=impossible) for path in ("/v1/searches:validate", "/v1/searches")
    )
    assert previewed.status_code == created.status_code == 422
    assert previewed.json()["detail"] == created.json()["detail"]
    assert client.get("/v1/searches").json()["items"] == []


def test_a_deleted_search_is_gone_with_its_trials(person, world):
    user = person()
    search_id = world.search(user.caller)
    trial_id = world.trial(search_id)
    assert user.http.delete(f"/v1/searches/{search_id}").status_code == 204
    for path in (f"/v1/searches/{search_id}", f"/v1/trials/{trial_id}"):
        assert user.http.get(path).status_code == 404
    assert user.http.delete(f"/v1/searches/{search_id}").status_code == 404


def test_trials_come_by_number(person, world):
    user = person()
    search_id = world.search(user.caller, budget=Budget(trials=9))
    for _ in range(3):
        world.trial(search_id)
    page = user.http.get(f"/v1/searches/{search_id}/trials", params={"limit": 2}).json()
    assert [one["number"] for one in page["items"]] == [0, 1]
    rest = user.http.get(
        f"/v1/searches/{search_id}/trials", params={"limit": 2, "cursor": page["next_cursor"]}
    ).json()
    assert [one["number"] for one in rest["items"]] == [2]
    assert rest["next_cursor"] is None


def test_epochs_come_in_pages_of_which_the_client_reads_all(person, world):
    user = person()
    search_id = world.search(user.caller)
    trial_id = world.trial(search_id)
    rows = [
        {"trial_id": trial_id, "attempt": 1, "epoch": n, "seconds": 1.0} for n in range(1, 1203)
    ]
    with world.sessions.begin() as session:
        session.execute(insert(Epoch), rows)
    for path in (f"/v1/trials/{trial_id}/epochs", f"/v1/searches/{search_id}/epochs"):
        first = user.http.get(path).json()
        assert (len(first["items"]), first["next_cursor"] is None) == (500, False)
        rest = {"limit": 2, "cursor": first["next_cursor"]}
        page = user.http.get(path, params=rest).json()
        assert [one["epoch"] for one in page["items"]] == [501, 502]
        assert user.http.get(path, params={"cursor": "x"}).status_code == 422
    with Client(str(user.http.base_url), user.key) as client:
        assert [one["epoch"] for one in client.epochs(str(trial_id))] == list(range(1, 1203))


def test_an_export_exists_only_after_the_final_fit(person, world):
    user = person()
    answer = user.http.get(f"/v1/searches/{world.search(user.caller)}/export")
    assert answer.status_code == 404
    assert "no exported model yet" in answer.json()["detail"]


def test_each_change_and_the_end_are_events(person, world):
    user = person()
    path = f"/v1/searches/{world.search(user.caller)}"
    names = []
    stopping = threading.Thread(target=lambda: user.http.post(f"{path}:stop"))
    with user.http.stream("GET", f"{path}/events") as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        for line in stream.iter_lines():
            if line.startswith("event: "):
                names.append(line.removeprefix("event: "))
                if names == ["change"]:
                    stopping.start()
            if names and names[-1] == "end":
                break
    stopping.join()
    assert names[0] == "change"
    assert names[-1] == "end"


def test_figures_are_in_the_form_of_plotly(person, world):
    user = person()
    search_id = world.search(user.caller)
    trial_id = world.trial(search_id)
    for path in (
        f"/v1/searches/{search_id}/figures/best-so-far",
        f"/v1/searches/{search_id}/figures/learning-curves",
        f"/v1/searches/{search_id}/figures/front",
        f"/v1/trials/{trial_id}/figures/curves",
    ):
        assert set(user.http.get(path).json()) >= {"data", "layout"}
    unknown = user.http.get(f"/v1/searches/{search_id}/figures/pie")
    assert unknown.status_code == 422
    assert "best-so-far" in unknown.json()["detail"]


def ended(world, search_id, value, **columns):
    """A trial of the search that a worker has completed."""
    trial_id = world.trial(search_id, status="completed", value=value, report_digest=b"", **columns)
    world.set(Trial, trial_id, ended_at=text("now()"))
    return str(trial_id)


def test_the_front_of_a_search_has_the_trials_that_none_beats(person, world):
    user = person()
    search_id = world.search(user.caller, cost="latency")
    cheap = ended(world, search_id, 0.5, parameters=100, flops=9000, latency=0.001)
    ended(world, search_id, 0.4, parameters=200, flops=8000, latency=0.002)
    good = ended(world, search_id, 0.9, parameters=300, flops=7000, latency=0.003)
    unmeasured = ended(world, search_id, 0.95, parameters=400, flops=9000)
    world.trial(search_id)

    path = f"/v1/searches/{search_id}/front"
    found = user.http.get(path).json()
    assert (found["metric"], found["cost"]) == ("accuracy", "latency")
    assert [one["trial_id"] for one in found["items"]] == [cheap, good]
    assert found["items"][1] == {
        "trial_id": good, "number": 2, "value": 0.9, "value_std": None,
        "parameters": 300, "flops": 7000, "latency": 0.003,
    }  # fmt: skip
    others = {
        cost: [
            one["trial_id"] for one in user.http.get(path, params={"cost": cost}).json()["items"]
        ]
        for cost in ("parameters", "flops")
    }
    assert others == {"parameters": [cheap, good, unmeasured], "flops": [good, unmeasured]}
    listed = user.http.get(f"/v1/searches/{search_id}/trials").json()["items"]
    assert [one["latency"] for one in listed] == [0.001, 0.002, 0.003, None, None]


def test_a_final_fit_shows_how_it_was_computed_and_compared(person, world):
    user = person()
    search_id = world.search(user.caller)
    parent = ended(world, search_id, 0.9, seconds=30.0, validation_loss=0.25, precision="fp32")
    compared = {
        "examples": 250, "before": 0.905, "after": 0.912, "exported": "final", "reason": "",
    }  # fmt: skip
    final = world.trial(
        search_id, kind="final", parent_id=parent, inherited=True, comparison=compared,
        seconds=10.0, precision="bf16", test_metric=0.9, test_loss=0.3, test_examples=360,
        export_key="exports/x.zip", export_bytes=9,
    )  # fmt: skip

    words = "the final network has 91.20 % on 250 held-out examples, "
    expected = compared | {"text": words + "the winner's own weights 90.50 %"}
    shown = user.http.get(f"/v1/trials/{final}").json()
    assert (shown["precision"], shown["comparison"]) == ("bf16", expected)
    before = user.http.get(f"/v1/trials/{parent}").json()
    assert (before["precision"], before["validation_loss"]) == ("fp32", 0.25)
    assert before["comparison"] is None
    search = user.http.get(f"/v1/searches/{search_id}").json()
    assert (search["final"]["precision"], search["final"]["comparison"]) == ("bf16", expected)
    assert search["compute_in_winner"] == 1.0


@pytest.mark.parametrize("exported", ["final", "winner"])
def test_an_ensemble_is_shown_as_data_and_in_words(person, world, exported):
    """Where the winner alone is exported, the search shows that network."""
    user = person()
    search_id = world.search(user.caller, training={"ensemble": 3})
    first, best = (ended(world, search_id, 0.9, seconds=30.0, parameters=70) for _ in "12")
    compared = {"examples": 9, "before": 0.9, "after": 0.8, "exported": exported, "reason": "so"}
    final = world.trial(
        search_id, kind="final", parent_id=best, inherited=True, comparison=compared,
        members=[1, 0], parameters=140, seconds=10.0, test_metric=0.9, test_loss=0.3,
        test_examples=360, export_key="exports/x.zip", export_bytes=9,
    )  # fmt: skip

    words = "an ensemble of trials 0 and 1"
    shown = user.http.get(f"/v1/trials/{final}").json()
    assert (shown["members"], shown["ensemble"], shown["parameters"]) == ([1, 0], words, 140)
    other = user.http.get(f"/v1/trials/{first}").json()
    assert (other["members"], other["ensemble"]) == ([], "")
    final_fit = user.http.get(f"/v1/searches/{search_id}").json()["final"]
    found = (
        final_fit["of_number"],
        final_fit["members"],
        final_fit["ensemble"],
        final_fit["parameters"],
    )
    fewer = f"{words} (3 networks requested)"
    joint, alone = (1, [1, 0], fewer, 140), (1, [], "", 70)
    assert found == (joint if exported == "final" else alone)


def test_nothing_is_shown_of_a_final_fit_that_has_not_ended(person, world):
    user = person()
    search_id = world.search(user.caller)
    listed = user.http.get("/v1/searches").json()["items"]
    assert [one["compute_in_winner"] for one in listed] == [None]
    assert user.http.get(f"/v1/searches/{search_id}").json()["compute_in_winner"] is None


def test_a_search_without_a_cost_has_its_front_against_parameters(person, world):
    user = person()
    search_id = world.search(user.caller)
    found = user.http.get(f"/v1/searches/{search_id}/front").json()
    assert found == {"metric": "accuracy", "cost": "parameters", "items": [], "root": None}
    assert user.http.get(f"/v1/searches/{search_id}").json()["cost"] is None


def test_a_search_for_small_networks_is_created_with_its_cost_and_bounds(person):
    client = person().http
    asked = GOOD | {"cost": "flops", "bounds": {"latency": 0.002}}
    made = client.post("/v1/searches", json=asked).json()
    assert made["cost"] == "flops"
    assert made["bounds"]["latency"] == 0.002
    assert made["bounds"]["flops"] is not None  # what is left out is chosen, as without bounds


def test_built_in_data_is_imported_once(person):
    first, again = (person().http.post("/v1/datasets/builtin/digits").json() for _ in range(2))
    assert first["id"] == again["id"]
    assert (first["classes"], first["input_shape"]) == (10, [1, 8, 8])
    assert person().http.get("/v1/datasets").json()["items"][0]["name"] == "digits"


def test_a_running_api_is_healthy(visit, person):
    assert visit().get("/healthz").status_code == 200
    ready = visit().get("/readyz")
    assert ready.status_code == 200
    assert ready.json()["database"] == ready.json()["storage"] == "ready"
    assert ready.json()["controller"] in {"deciding", "standing by"}
    metrics = person(Role.ADMIN).http.get("/metrics")
    assert metrics.status_code == 200
    assert 'netmorph_searches{status="running"} 0.0' in metrics.text
    assert 'netmorph_http_request_seconds_count{route="GET /healthz",status="2xx"}' in metrics.text
    assert len(metrics.headers["X-Request-ID"]) == 32
    assert "netmorph_searches" in metrics.text


def test_a_user_may_have_a_few_searches_at_once(app, person):
    """The same request again is no further search."""
    app.state.settings = app.state.settings.model_copy(update={"owner_searches": 1})
    client = person().http
    body = {"dataset": "digits", "budget": {"trials": 1}}
    headers = {"Idempotency-Key": "one"}
    first = client.post("/v1/searches", json=body, headers=headers)
    assert first.status_code == 201
    refused = client.post("/v1/searches", json=body)
    assert refused.status_code == 403
    assert "expected at most 1" in refused.json()["detail"]
    assert (
        client.post("/v1/searches", json=body, headers=headers).json()["id"] == first.json()["id"]
    )
    assert client.post(f"/v1/searches/{first.json()['id']}:stop").is_success
    assert client.post("/v1/searches", json=body).status_code == 201


def test_probes_of_anybody_write_to_storage_once(app, visit, storage_url):
    """The storage is a folder that only this process writes into."""
    folder = Path(storage_url.removeprefix("file://"))
    client = visit()
    assert client.get("/readyz").status_code == 200
    app.state.readiness._old_at += 60  # however slow this machine is
    changed = folder.stat().st_mtime_ns
    assert [client.get("/readyz").status_code for _ in range(5)] == [200] * 5
    assert folder.stat().st_mtime_ns == changed


def test_an_api_whose_controller_is_stuck_asks_to_be_restarted(app, visit):
    app.state.controller._moved_at = time.monotonic() - LONGEST_STEP
    answer = visit().get("/healthz")
    assert (answer.status_code, answer.json()) == (503, {"status": "the controller is stuck"})
    ready = visit().get("/readyz")
    assert (ready.status_code, ready.json()["status"]) == (503, "not ready")
    assert ready.json()["controller"] == "stuck"
