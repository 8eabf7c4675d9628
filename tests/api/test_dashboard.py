"""The dashboard's pages and forms over HTTP: who sees what, and which forms count."""

import re

import httpx
import pytest
from sqlalchemy import text

from api.models import Search
from core.contracts import Bounds
from core.roots import roots

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


def test_other_peoples_pages_are_not_there(visitor, person, world):
    search_id = world.search(person().caller)
    trial_id = world.trial(search_id)
    for path in (
        f"/searches/{search_id}",
        f"/ui/searches/{search_id}/state",
        f"/ui/searches/{search_id}/trials",
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


def test_names_are_text(visitor, world):
    search_id = world.search(visitor.caller)
    world.set(Search, search_id, name="<script>alert(1)</script>", reason="<img src=x>")
    for path in ("/", f"/searches/{search_id}"):
        page = visitor.http.get(path).text
        assert "<script>alert" not in page
        assert "<img" not in page
        assert "&lt;script&gt;" in page


def test_pages_load_nothing_from_elsewhere(visitor, world):
    search_id = world.search(visitor.caller)
    architecture = roots(world.dataset_spec(), Bounds())[0]
    trial_id = world.trial(search_id, architecture=architecture.to_json())
    for path in ("/", "/data-sets", "/workers", f"/searches/{search_id}", f"/trials/{trial_id}"):
        page = visitor.http.get(path)
        assert page.status_code == 200, path
        assert re.findall(r'(?:src|href)="(?!/|#)([^"]*)"', page.text) == []
        assert "style=" not in page.text
        assert not re.search(r"<script(?![^>]*src=)", page.text)


def test_errors_on_pages_are_pages(visitor):
    answer = visitor.http.get("/searches/00000000-0000-0000-0000-000000000000")
    assert answer.status_code == 404
    assert answer.headers["content-type"].startswith("text/html")
