"""Pages over all searches: the queue, the best networks, and the keys."""

import re
from datetime import UTC, datetime, timedelta

import httpx
from sqlalchemy import delete

from api.models.searches import Search
from api.models.trials import Trial
from api.models.workers import Worker
from api.roles import Role
from api.store import leases, results
from core.protocol.states import SearchStatus
from tests.api.store.reports import LEASE
from tests.api.visitors import enter, token


def test_the_queue_says_who_waits_and_why(visitor, person, world, do):
    other = world.search(person().caller)
    world.trial(other)
    mine = world.search(visitor.caller)
    paused = world.search(visitor.caller, status=SearchStatus.PAUSED)
    for search_id in (paused, mine):
        world.set(Search, search_id, name=f"<b>{search_id}")
    world.trial(paused)
    later = world.trial(mine, reason="its worker <died>")
    world.set(Trial, later, available_at=datetime.now(UTC) + timedelta(seconds=50))
    world.trial(mine, reason="its worker <died>")

    def rows(page: str) -> list[list[str]]:
        body = page[page.index("<tbody>") :]
        cells = [re.findall(r"<td[^>]*>(.*?)</td>", row) for row in body.split("<tr>")[1:]]
        return [[re.sub("<.*?>", "", cell) for cell in row] for row in cells]

    found = rows(visitor.http.get("/queue").text)
    assert [row[0] for row in found] == ["2", "3", "4"]  # behind the trial of another
    assert [row[2] for row in found] == ["trial 1", "trial 0", "trial 0"]
    assert str(other) not in visitor.http.get("/ui/queue").text
    assert found[0][4].startswith("no worker is connected")
    assert found[0][4].endswith("; its last attempt: its worker &lt;died&gt;")
    assert re.fullmatch(r"another attempt in \d\d s \(its worker &lt;died&gt;\)", found[1][4])
    assert found[2][4] == "its search is paused"


def test_workers_are_shown_with_their_trial_and_drained_by_admins_alone(visitor, person, world, do):
    search = world.search(visitor.caller)
    world.set(Search, search, name="<i>mine</i>")
    trial = world.trial(search)
    box = world.worker("box")
    assert do(leases.take, box, box.boot_id, LEASE).held.trial_id == trial
    page = visitor.http.get("/workers").text
    assert f'<a href="/trials/{trial}">trial 0</a> <div class="sub">of &lt;i&gt;mine' in page
    assert "Drain" not in page
    drain = f"/workers/{box.worker_id}/drain"
    refused = visitor.http.post(drain, data={"token": token(visitor.http)})
    assert (refused.status_code, "Only an admin" in refused.text) == (403, True)

    admin = person(Role.ADMIN)
    enter(admin.http, admin.key)
    form = {"token": token(admin.http)}
    assert admin.http.post(drain, data=form).headers["location"] == "/workers"
    assert "it gets no more trials" in admin.http.get("/workers").text
    admin.http.post(f"/workers/{box.worker_id}/undrain", data=form)
    assert 'aria-label="Drain box"' in admin.http.get("/ui/workers").text


def test_models_are_ranked_by_their_test_and_belong_to_their_owner(visitor, person, world):
    data = world.dataset(visitor.caller, builtin=True)
    owners, values = (visitor, visitor, person(), visitor, visitor), (0.7, 0.9, 0.95, 0.35, 0.25)
    ids = [world.search(one.caller, dataset_id=data) for one in owners]
    losses, by_loss = ids[3:], {"metric": "log-loss"}
    for search_id, value in zip(ids, values, strict=True):
        parent = world.trial(search_id, value=value)
        world.trial(
            search_id, parent_id=parent, kind="final", status="completed", report_digest=b"1",
            ended_at=datetime.now(UTC), test_metric=value - 0.01, test_loss=1.0, test_examples=10,
        )  # fmt: skip
    for search_id in losses:
        world.set(Search, search_id, config=world.get_search(search_id).config | by_loss)
    world.search(visitor.caller, dataset_id=data)
    page = visitor.http.get("/models").text
    assert re.findall(r"<strong>([0-9.]+) %", page) == ["89.00", "69.00"]
    assert page.index(str(ids[1])) < page.index(str(ids[0]))
    assert re.findall(r"Test ([a-z-]+)</th>", page) == ["accuracy", "log-loss"]
    assert re.findall(r'<h2 class="apart">(.*?)</h2>', page) == ["Accuracy", "Log-loss"]
    ranks = re.findall(r'data-label="Rank">(\d)', page)
    assert ranks == ["1", "2", "1", "2"]  # a metric has ranks of its own
    assert page.index(str(ids[0])) < page.index(str(ids[4])) < page.index(str(ids[3]))
    assert str(ids[2]) not in page
    empty = visitor.http.get(f"/models?dataset={world.dataset(visitor.caller)}").text
    assert "No search on this data set" in empty


def test_an_admin_makes_rotates_and_revokes_keys_with_their_own_key(person, visit, world):
    admin = person(Role.ADMIN)
    http, user = admin.http, person()
    enter(http, admin.key)
    form = {"token": token(http), "name": "new <key>", "role": "user", "days": "30"}

    def secret(answer: httpx.Response) -> str:
        assert answer.status_code == 200, answer.text
        return re.findall(r"netmorph_[A-Za-z0-9_-]{30,}", answer.text)[0]

    for wrong, message in (
        ({"key": ""}, "unknown or revoked"),
        ({"key": user.key}, "this is another key"),
        ({"key": admin.key, "days": "soon"}, "expected a number of days"),
        ({"key": admin.key, "days": "-3"}, "expected more than 0 days"),
        ({"key": admin.key, "name": " "}, "must not be empty"),
        ({"key": admin.key, "role": "god"}, "expected"),
    ):
        answer = http.post("/settings/keys", data=form | wrong)
        assert 400 <= answer.status_code < 500
        assert message in answer.text
        assert "shown again" not in answer.text
    made = secret(http.post("/settings/keys", data=form | {"key": admin.key}))
    newcomer = visit()
    assert enter(newcomer, made).status_code == 303
    page = http.get("/settings").text
    assert made not in page
    assert "new &lt;key&gt;" in page
    (key_id,) = re.findall(r"new &lt;key&gt;</strong>.*?/keys/([0-9a-f-]+)/rotate", page, re.S)
    change = {"token": form["token"], "key": admin.key}
    rotated = secret(http.post(f"/settings/keys/{key_id}/rotate", data=change))
    assert enter(visit(), made).status_code == 401
    assert enter(visit(), rotated).status_code == 303
    assert http.post(f"/settings/keys/{key_id}/revoke", data=change).status_code == 303
    assert enter(visit(), rotated).status_code == 401
    assert http.post(f"/settings/keys/{key_id}/rotate", data=change).status_code == 409


def test_a_user_changes_the_own_key_alone_and_stays_signed_in(visitor, person):
    other, http = person(), visitor.http
    page = http.get("/settings").text
    assert "New key" not in page
    change = {"token": token(http), "key": visitor.key}
    for path in (f"/{other.caller.key_id}/revoke", f"/{other.caller.key_id}/rotate", ""):
        assert http.post(f"/settings/keys{path}", data=change).status_code == 403
    own = f"/settings/keys/{visitor.caller.key_id}"
    assert http.post(f"{own}/rotate", data=change | {"key": other.key}).status_code == 422
    answer = http.post(f"{own}/rotate", data=change)
    (secret,) = set(re.findall(r"netmorph_[A-Za-z0-9_-]{30,}", answer.text))
    assert http.get("/settings").status_code == 200  # by a new session
    change = {"token": token(http), "key": secret}
    assert http.post(f"{own}/revoke", data=change).headers["location"] == "/sign-in"
    assert http.get("/settings").status_code == 303


def test_a_worker_has_a_page_with_its_problems_and_trials(visitor, person, world, do):
    search = world.search(visitor.caller)
    world.set(Search, search, name="<i>mine</i>")
    box = world.worker("box")
    address = f"/workers/{box.worker_id}"

    def train(status: str, **values: object) -> None:
        trial = world.trial(search)
        held = do(leases.take, box, box.boot_id, LEASE, trial).held
        sent = world.result(held, status, **values)
        do(results.end_attempt, trial, sent, b"digest", 3)

    train("completed", seconds=12.0, samples_per_second=1234.0, precision="bf16")
    train("failed", reason="CUDA <error>")
    page = visitor.http.get(address).text
    for words in ("<h1>box</h1>", "1,234", "computed in bf16", "CUDA &lt;error&gt;", "12 s",
                  "trial 0", "&lt;i&gt;mine"):  # fmt: skip
        assert words in page
    assert "Drain" not in page
    assert f'href="{address}"' in visitor.http.get("/workers").text
    for _ in range(25):
        train("completed")
    later = re.search(r'href="(/workers/[^"]*cursor=[^"]*)"', visitor.http.get(address).text)
    assert later is not None
    assert "1,234" in visitor.http.get(later[1]).text.split("<h2")[-1]
    assert "Earlier trials" not in visitor.http.get(later[1]).text

    admin, stranger = person(Role.ADMIN), person()
    enter(stranger.http, stranger.key)
    hidden = stranger.http.get(address).text + stranger.http.get(f"/ui{address}").text
    assert "No trial that you may read" in hidden
    for words in ("mine", "CUDA", "1,234", "bf16"):
        assert words not in hidden
    enter(admin.http, admin.key)
    assert f'action="{address}/drain"' in admin.http.get(address).text
    assert admin.http.get(f"{address}/drain").headers["location"] == address
    assert visitor.http.get(f"/workers/{search}").status_code == 404


def test_a_trial_leads_to_its_worker_while_the_worker_is_known(visitor, world, do):
    search = world.search(visitor.caller)
    box = world.worker("<box>")
    trial = world.trial(search)
    page, fragment = f"/trials/{trial}", f"/ui/trials/{trial}/facts"
    running = f"/ui/searches/{search}/running"
    link = f'<a href="/workers/{box.worker_id}">&lt;box&gt;</a>'
    assert "/workers/" not in visitor.http.get(page).text

    held = do(leases.take, box, box.boot_id, LEASE, trial).held
    for address in (page, fragment, running):
        assert link in visitor.http.get(address).text
    by_key = {"Authorization": f"Bearer {visitor.key}"}
    answer = visitor.http.get(f"/v1/trials/{trial}", headers=by_key).json()
    assert answer["worker_id"] == str(box.worker_id)

    do(results.end_attempt, trial, world.result(held, "completed"), b"digest", 3)
    assert link in visitor.http.get(page).text
    with world.sessions.begin() as session:
        session.execute(delete(Worker).where(Worker.id == box.worker_id))
    for address in (page, fragment):
        shown = visitor.http.get(address).text
        assert "&lt;box&gt;" in shown
        assert f"/workers/{box.worker_id}" not in shown
