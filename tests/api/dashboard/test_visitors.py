"""Who is signed in to the dashboard, and which forms count."""

import re
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import pytest
from sqlalchemy import text

from api.roles import Role
from tests.api.visitors import enter, token

FORM = {"dataset": "digits", "trials": "3", "strategy": "random", "parallelism": "1", "seed": "0"}


def test_a_page_redirects_to_the_sign_in_and_back(person):
    user = person()
    del user.http.headers["Authorization"]
    led = user.http.get("/workers")
    assert (led.status_code, led.headers["location"]) == (303, "/sign-in?next=/workers")
    back = enter(user.http, user.key, next="/workers")
    assert back.headers["location"] == "/workers"
    assert user.http.get("/workers").status_code == 200


def test_the_way_back_from_the_sign_in_keeps_what_the_page_showed(visit, person):
    address = "/searches/a%20b?tab=trials&text=a%26b%20%C3%BC&sort=-value"
    location = visit().get(address).headers["location"]
    (back,) = parse_qs(urlsplit(location).query)["next"]
    assert back == address
    user = person()
    assert enter(user.http, user.key, next=back).headers["location"] == address
    longest = visit().get(f"/workers?x={'y' * 5000}").headers["location"]
    assert longest == "/sign-in?next=/workers"


@pytest.mark.parametrize(
    ("referer", "location"),
    [
        ("{host}/searches/1?tab=manage", "/sign-in?next=/searches/1%3Ftab%3Dmanage"),
        ("http://evil.example/searches/1", "/sign-in"),
        ("http://[", "/sign-in"),
        ("", "/sign-in"),
    ],
)
def test_a_form_sent_after_the_end_of_the_session_leads_back_to_its_page(visit, referer, location):
    client = visit()
    headers = {"Referer": referer.format(host=str(client.base_url).rstrip("/"))}
    answer = client.post(f"/searches/{uuid4()}/pause", headers=headers)
    assert (answer.status_code, answer.headers["location"]) == (303, location)


@pytest.mark.parametrize(
    "target", ["https://evil.example/", "//evil.example", "\\\\evil", "/\\evil"]
)
def test_nobody_is_redirected_to_another_site(person, target):
    user = person()
    assert enter(user.http, user.key, next=target).headers["location"] == "/"


def test_scripts_cannot_read_the_cookie(person):
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


def test_a_signed_out_visitor_has_no_access(visitor):
    cookie = dict(visitor.http.cookies)
    assert visitor.http.post("/sign-out", data={"token": token(visitor.http)}).status_code == 303
    visitor.http.cookies.update(cookie)  # a copy that somebody kept
    assert visitor.http.get("/").status_code == 303


@pytest.mark.parametrize(
    ("changes", "headers"),
    [
        ({"token": ""}, {}),
        ({"token": "0" * 64}, {}),
        ({}, {"Origin": "https://evil.example"}),
        ({}, {"Sec-Fetch-Site": "cross-site"}),
    ],
)
def test_forms_from_other_sites_are_refused(visitor, world, changes, headers):
    form = FORM | {"token": token(visitor.http)} | changes
    assert visitor.http.post("/searches", data=form, headers=headers).status_code == 403
    with world.engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM searches")).scalar_one() == 0


def test_a_form_without_its_token_is_refused(visitor, world):
    search_id = world.search(visitor.caller)
    for path in ("/sign-out", "/ui/datasets", f"/searches/{search_id}/stop"):
        files = {"file": ("x.npz", b"x")} if "datasets" in path else None
        answer = visitor.http.post(path, data={"name": "x"}, files=files)
        assert answer.status_code == 403
        assert "This form has expired: reload the page" in answer.text
    assert visitor.http.get("/").status_code == 200
    assert world.get_search(search_id).ended_at is None


def test_every_form_has_the_token(visitor, world):
    search_id = world.search(visitor.caller)
    for path in ("/", "/data-sets", "/workers", "/settings", f"/searches/{search_id}"):
        page = visitor.http.get(path).text
        forms = re.findall(r'<form[^>]*method="post".*?</form>', page, re.DOTALL)
        assert len(forms) >= 1
        assert all(f'name="token" value="{token(visitor.http)}"' in form for form in forms), path
