"""The dashboard's pages and forms over HTTP: who sees what, and which forms count."""

import io
import re

import httpx
import numpy as np
import pytest
from sqlalchemy import text

from api.edge.headers import CONTENT_SECURITY_POLICY
from api.models import Search
from api.roles import Role
from core.graph.roots import roots
from core.protocol.contracts import Bounds

FORM = {"dataset": "digits", "trials": "3", "strategy": "random", "parallelism": "1", "seed": "0"}


def enter(client: httpx.Client, key: str, **more: str) -> httpx.Response:
    client.headers.pop("Authorization", None)
    return client.post("/sign-in", data={"key": key, **more})


def token(client: httpx.Client) -> str:
    """The token of this session's forms."""
    found = re.search(r'name="token" value="([0-9a-f]+)"', client.get("/").text)
    assert found is not None
    return found[1]


@pytest.fixture
def visitor(person):
    """A user who has signed in to the dashboard."""
    user = person()
    assert enter(user.http, user.key).status_code == 303
    return user


def test_a_page_leads_to_the_sign_in_and_back(person):
    user = person()
    del user.http.headers["Authorization"]
    led = user.http.get("/workers")
    assert (led.status_code, led.headers["location"]) == (303, "/sign-in?next=/workers")
    back = enter(user.http, user.key, next="/workers")
    assert back.headers["location"] == "/workers"
    assert user.http.get("/workers").status_code == 200


@pytest.mark.parametrize(
    "target", ["https://evil.example/", "//evil.example", "\\\\evil", "/\\evil"]
)
def test_nobody_is_led_to_another_site(person, target):
    user = person()
    assert enter(user.http, user.key, next=target).headers["location"] == "/"


def test_the_cookie_is_out_of_reach(person):
    user = person()
    cookie = enter(user.http, user.key).headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert user.key.lower() not in cookie


def test_a_wrong_key_opens_nothing(person):
    user = person()
    answer = enter(user.http, "netmorph_wrong")
    assert answer.status_code == 401
    assert "unknown or revoked" in answer.text
    assert "set-cookie" not in answer.headers


def test_a_workers_key_opens_nothing(person):
    worker = person(Role.WORKER)
    answer = enter(worker.http, worker.key)
    assert answer.status_code == 403
    assert "a key of role worker may not do this" in answer.text
    assert "set-cookie" not in answer.headers


def test_behind_https_the_cookie_stays_there(app, person):
    app.state.settings = app.state.settings.model_copy(update={"cookie_secure": True})
    user = person()
    assert "secure" in enter(user.http, user.key).headers["set-cookie"].lower().split("; ")


@pytest.mark.parametrize(
    "end",
    [
        "UPDATE keys SET revoked_at = now()",
        "UPDATE sessions SET expires_at = now()",
    ],
)
def test_a_session_ends_with_its_time_and_its_key(visitor, world, end):
    assert visitor.http.get("/").status_code == 200
    with world.engine.begin() as connection:
        connection.execute(text(end))
    assert visitor.http.get("/workers").headers["location"] == "/sign-in?next=/workers"
    assert visitor.http.get("/ui/searches").status_code == 401  # a script tells the visitor


def test_a_bearer_key_is_no_session(person):
    assert person().http.get("/").status_code == 303


def test_signed_out_is_out(visitor):
    cookie = dict(visitor.http.cookies)
    assert visitor.http.post("/sign-out", data={"token": token(visitor.http)}).status_code == 303
    visitor.http.cookies.update(cookie)  # a copy that somebody kept
    assert visitor.http.get("/").status_code == 303


def test_the_form_starts_a_search(visitor, world):
    form = FORM | {"token": token(visitor.http), "name": "from the form"}
    made = visitor.http.post("/searches", data=form)
    assert made.status_code == 303
    page = visitor.http.get(made.headers["location"])
    assert "from the form" in page.text
    search = world.get_search(made.headers["location"].rpartition("/")[2])
    assert (search.owner_id, search.trial_limit) == (visitor.caller.key_id, 3)


@pytest.mark.parametrize(
    ("changes", "headers"),
    [
        ({"token": ""}, {}),
        ({"token": "0" * 64}, {}),
        ({}, {"Origin": "https://evil.example"}),
        ({}, {"Sec-Fetch-Site": "cross-site"}),
    ],
)
def test_forms_from_elsewhere_do_not_count(visitor, world, changes, headers):
    form = FORM | {"token": token(visitor.http)} | changes
    assert visitor.http.post("/searches", data=form, headers=headers).status_code == 403
    with world.engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM searches")).scalar_one() == 0


def test_no_form_counts_without_its_token(visitor, world):
    search_id = world.search(visitor.caller)
    for path in ("/sign-out", "/ui/datasets", f"/searches/{search_id}/stop"):
        files = {"file": ("x.npz", b"x")} if "datasets" in path else None
        answer = visitor.http.post(path, data={"name": "x"}, files=files)
        assert answer.status_code == 403
        assert "the form is not from this session; load it anew" in answer.text
    assert visitor.http.get("/").status_code == 200
    assert world.get_search(search_id).ended_at is None


def test_every_form_has_the_token(visitor, world):
    search_id = world.search(visitor.caller)
    for path in ("/", "/data-sets", "/workers", f"/searches/{search_id}"):
        page = visitor.http.get(path).text
        forms = re.findall(r'<form[^>]*method="post".*?</form>', page, re.DOTALL)
        assert len(forms) >= 1
        assert all(f'name="token" value="{token(visitor.http)}"' in form for form in forms), path


def test_the_buttons_steer_a_search(visitor, world):
    search_id = world.search(visitor.caller)
    form = {"token": token(visitor.http)}
    for action, status in (("pause", "paused"), ("resume", "running"), ("stop", "stopped")):
        answer = visitor.http.post(f"/searches/{search_id}/{action}", data=form)
        assert answer.headers["location"] == f"/searches/{search_id}"
        assert world.get_search(search_id).status == status
    again = visitor.http.post(f"/searches/{search_id}/pause", data=form)
    assert (again.status_code, "Conflict" in again.text) == (409, True)
    gone = visitor.http.post(f"/searches/{search_id}/delete", data=form)
    assert gone.headers["location"] == "/"
    assert visitor.http.get(f"/searches/{search_id}").status_code == 404


WRONG = (
    ("trials", "many", "valid integer"),
    ("trials", "", "at least one of trials, epochs, seconds"),
    ("minutes", "0.01", "greater than or equal to 10"),
    ("parallelism", "0", "greater than or equal to 1"),
    ("seed", "-1", "greater than or equal to 0"),
    ("dataset", "imagenet", "there is no data set"),
    ("name", "\u202eevil", "control or unprintable"),
)


def test_a_wrong_field_is_marked_and_nothing_is_lost(visitor, world):
    right = FORM | {"token": token(visitor.http), "name": 'my "name"'}
    for field, value, message in WRONG:
        answer = visitor.http.post("/searches", data=right | {field: value})
        assert answer.status_code == 422
        (error,) = re.findall(r'<span class="error" id="([a-z]+)-error"[^>]*>([^<]*)<', answer.text)
        assert error[0] == field
        assert message in error[1]
        assert field == "name" or "my &#34;name&#34;" in answer.text
    with world.engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM searches")).scalar_one() == 0


def test_a_data_set_is_uploaded_and_a_wrong_one_refused(visitor):
    buffer = io.BytesIO()
    np.savez(buffer, x=np.zeros((20, 4, 4), np.uint8), y=np.arange(20) % 2)
    form = {"token": token(visitor.http), "name": "<b>mine</b>"}
    for content, status in ((b"<i>none</i>", 422), (buffer.getvalue(), 303)):
        answer = visitor.http.post("/ui/datasets", data=form, files={"file": ("x", content)})
        assert answer.status_code == status
        assert ("the file is of no known format" in answer.text) == (status == 422)
    page = visitor.http.get("/data-sets").text
    assert "&lt;b&gt;mine" in page
    assert "<b>" not in page


def test_other_peoples_pages_are_not_there(visitor, person, world):
    search_id = world.search(person().caller)
    trial_id = world.trial(search_id)
    for path in (
        f"/searches/{search_id}",
        f"/ui/searches/{search_id}/state",
        f"/ui/searches/{search_id}/trials",
        f"/ui/searches/{search_id}/front",
        f"/ui/searches/{search_id}/figures/best-so-far",
        f"/ui/searches/{search_id}/events/stream",
        f"/searches/{search_id}/export",
        f"/trials/{trial_id}",
        f"/ui/trials/{trial_id}/figures/curves",
    ):
        assert visitor.http.get(path).status_code == 404, path
    sent = {"token": token(visitor.http)}
    assert visitor.http.post(f"/searches/{search_id}/stop", data=sent).status_code == 404
    assert world.get_search(search_id).ended_at is None


def test_the_front_is_on_the_page_of_a_search_with_a_cost(visitor, world):
    plain, small = world.search(visitor.caller), world.search(visitor.caller, cost="flops")
    trial_id = world.trial(small, value=0.5, latency=0.00125)

    page = visitor.http.get(f"/searches/{small}").text
    assert f'data-figure="/ui/searches/{small}/figures/front"' in page
    part = visitor.http.get(f"/ui/searches/{small}/front").text
    assert f"/trials/{trial_id}" in part
    assert "1.25 ms" in part
    assert "figures/front" not in visitor.http.get(f"/searches/{plain}").text


@pytest.fixture
def architecture(world):
    return roots(world.dataset_spec(), Bounds())[0].to_json()


def test_a_trial_that_continues_its_parents_training_says_so(visitor, world, architecture):
    search_id = world.search(visitor.caller)
    root = world.trial(search_id, architecture=architecture, weights_key="weights/0")
    longer = world.trial(
        search_id, architecture=architecture, parent_id=root, inherited=True,
        validation_loss=0.125, precision="bf16 <i>",
    )  # fmt: skip
    page = visitor.http.get(f"/trials/{longer}").text
    assert f'Continues <a href="/trials/{root}">trial 0</a> with its weights' in page
    assert 'class="key new"' not in page
    assert "loss 0.1250" in page
    assert "computed in bf16 &lt;i&gt;" in page
    listed = visitor.http.get(f"/ui/searches/{search_id}/trials").text
    assert "continues trial 0" in listed
    assert "starting architecture" in visitor.http.get(f"/trials/{root}").text


def test_a_final_fit_is_shown_beside_the_winner(visitor, world, architecture):
    search_id = world.search(visitor.caller)
    wider = [{"text": "widen convolution 3", "data": {"kind": "widen"}}]
    root = world.trial(search_id, architecture=architecture, seconds=30.0)
    best = world.trial(
        search_id, architecture=architecture, parent_id=root, morphisms=wider, seconds=10.0
    )
    compared = {
        "examples": 250, "before": 0.905, "after": 0.9, "exported": "winner",
        "reason": "<b>it is better</b>",
    }  # fmt: skip
    final = world.trial(
        search_id, kind="final", architecture=architecture, parent_id=best, inherited=True,
        seconds=10.0, comparison=compared, test_metric=0.9, test_loss=0.3, test_examples=360,
        export_key="exports/x.zip", export_bytes=9000,
    )  # fmt: skip
    words = "he winner&#39;s own weights are exported: &lt;b&gt;it is better&lt;/b&gt;"
    page = visitor.http.get(f"/trials/{final}").text
    assert f'From <a href="/trials/{best}">trial 1</a> with its weights: final fit' in page
    assert f"T{words}." in page
    assert f"t{words}<" in visitor.http.get(f"/ui/searches/{search_id}/trials").text
    search = visitor.http.get(f"/searches/{search_id}").text
    assert f"T{words}." in search
    assert "20 % of all training is in the winner" in search  # 10 of 50 s


def test_an_ensemble_is_shown_in_words(visitor, world, architecture):
    search_id = world.search(visitor.caller)
    first, best = (world.trial(search_id, architecture=architecture) for _ in "12")
    final = world.trial(
        search_id, kind="final", architecture=architecture, parent_id=best, inherited=True,
        members=[1, 0], seconds=10.0, test_metric=0.9, test_loss=0.3, test_examples=360,
        export_key="exports/x.zip", export_bytes=9000, latency=0.002,
    )  # fmt: skip
    words = "an ensemble of trials 0 and 1"
    assert f"with its weights: final fit of {words}" in visitor.http.get(f"/trials/{final}").text
    assert f"final fit of {words}" in visitor.http.get(f"/ui/searches/{search_id}/trials").text
    assert (
        f"parameters, 2 ms for one example: {words}<"
        in visitor.http.get(f"/searches/{search_id}").text
    )
    assert "ensemble of" not in visitor.http.get(f"/trials/{first}").text


def test_the_networks_of_the_export_may_be_chosen(visitor, world):
    sent = {"token": token(visitor.http)} | FORM
    answer = visitor.http.post("/searches", data=sent | {"ensemble": "3"})
    made = world.get_search(answer.headers["location"].rpartition("/")[2])
    assert made.config["training"]["ensemble"] == 3
    for wrong in ("9", "many"):
        page = visitor.http.post("/searches", data=sent | {"ensemble": wrong})
        assert page.status_code == 422
        assert 'id="ensemble-error"' in page.text
        assert f'name="ensemble" inputmode="numeric" value="{wrong}"' in page.text


def test_a_cost_may_be_chosen_for_a_new_search(visitor, world):
    sent = {"token": token(visitor.http)} | FORM
    answer = visitor.http.post("/searches", data=sent | {"cost": "latency"})
    assert answer.status_code == 303
    made = world.get_search(answer.headers["location"].rpartition("/")[2])
    assert made.config["cost"] == "latency"
    wrong = visitor.http.post("/searches", data=sent | {"cost": "carbon"})
    assert wrong.status_code == 422
    assert "&#39;parameters&#39;, &#39;flops&#39;" in wrong.text


def test_names_are_text(visitor, world):
    search_id = world.search(visitor.caller)
    world.set(Search, search_id, name="<script>alert(1)</script>", reason="<img src=x>")
    for path in ("/", f"/searches/{search_id}"):
        page = visitor.http.get(path).text
        assert "<script>alert" not in page
        assert "<img" not in page
        assert "&lt;script&gt;" in page


def test_pages_load_nothing_from_elsewhere(visitor, world, architecture):
    search_id = world.search(visitor.caller)
    trial_id = world.trial(search_id, architecture=architecture)
    for path in ("/", "/data-sets", "/workers", f"/searches/{search_id}", f"/trials/{trial_id}"):
        page = visitor.http.get(path)
        assert page.status_code == 200, path
        assert page.headers["content-security-policy"] == CONTENT_SECURITY_POLICY
        assert re.findall(r'(?:src|href)="(?!/|#)([^"]*)"', page.text) == []
        assert "style=" not in page.text
        assert not re.search(r"<script(?![^>]*src=)", page.text)


def test_errors_on_pages_are_pages(visitor):
    answer = visitor.http.get("/searches/00000000-0000-0000-0000-000000000000")
    assert answer.status_code == 404
    assert answer.headers["content-type"].startswith("text/html")
