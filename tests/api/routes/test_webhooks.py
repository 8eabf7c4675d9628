"""Webhooks by REST: whose they are, what they may be, and the log of their deliveries."""

from uuid import uuid4

import pytest
from sqlalchemy import update

from api.models.webhooks import Delivery
from api.roles import Role

BODY = {"name": "chat", "url": "https://hooks.invalid/x?y=1", "events": ["search.completed"]}


def test_a_webhook_is_its_owners_and_its_secret_is_shown_once(person) -> None:
    owner, other, admin = person().http, person().http, person(Role.ADMIN).http
    answer = owner.post("/v1/webhooks", json=BODY)
    made = answer.json()
    assert answer.status_code == 201, answer.text
    assert made.pop("secret").startswith("whsec_")
    assert made.items() >= BODY.items()

    path = f"/v1/webhooks/{made['id']}"
    assert owner.get(path).json() == made
    assert owner.get("/v1/webhooks").json() == {"items": [made], "next_cursor": None}
    assert other.get("/v1/webhooks").json()["items"] == []
    assert admin.get("/v1/webhooks").json()["items"] == [made]

    ping = owner.post(f"{path}:ping")
    assert (ping.status_code, ping.json()["event"]) == (202, "ping")
    again = f"{path}/deliveries/{ping.json()['id']}:redeliver"
    calls = [("GET", path), ("DELETE", path), ("POST", f"{path}:ping"),
             ("GET", f"{path}/deliveries"), ("POST", again)]  # fmt: skip
    for method, one in calls:
        assert other.request(method, one).status_code == 404, one

    assert owner.delete(path).status_code == 204
    for method, one in calls:
        assert owner.request(method, one).status_code == 404, one


def test_a_delivery_is_logged_and_sent_again(person, app) -> None:
    owner = person().http
    path = f"/v1/webhooks/{owner.post('/v1/webhooks', json=BODY).json()['id']}"
    first = owner.post(f"{path}:ping").json()
    assert (first["status"], first["attempts"], first["data"]) == (
        "pending", 0, {"webhook": "chat"},
    )  # fmt: skip
    assert owner.post(f"{path}:ping").json() == first  # while it is pending

    with app.state.sessions.begin() as session:
        session.execute(update(Delivery).values(status="failed", attempts=7, error="no answer"))
    assert owner.get(f"{path}/deliveries").json()["items"][0]["error"] == "no answer"
    again = owner.post(f"{path}/deliveries/{first['id']}:redeliver")
    assert again.status_code == 202
    assert (again.json()["id"], again.json()["status"]) == (first["id"], "pending")
    assert owner.post(f"{path}/deliveries/{uuid4()}:redeliver").status_code == 404
    page = owner.get(f"{path}/deliveries", params={"limit": 1}).json()
    assert page["next_cursor"] is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"url": "http://169.254.169.254/latest"}, "is a private or reserved address"),
        ({"url": "http://localhost:8000/"}, "NETMORPH_WEBHOOK_PRIVATE_NETWORKS"),
        ({"url": "https://me:secret@example.com/"}, "no user name"),
        ({"url": "ftp://example.com/"}, "should be 'http' or 'https'"),
        ({"url": "https://example.com/" + 3000 * "a"}, "at most 2083"),
        ({"events": []}, "at least 1"),
        ({"events": ["search.begun"]}, "trial.best"),
        ({"secret": "mine"}, "not permitted"),
    ],
)
def test_an_unusable_webhook_is_refused(person, change, message) -> None:
    refused = person().http.post("/v1/webhooks", json=BODY | change)
    assert refused.status_code == 422
    assert message in refused.json()["detail"]


def test_a_user_has_a_quota_of_webhooks_and_an_admin_none(person, app) -> None:
    most = app.state.settings.owner_webhooks
    user, admin = person().http, person(Role.ADMIN).http
    for http, last in ((user, 403), (admin, 201)):
        codes = [http.post("/v1/webhooks", json=BODY).status_code for _ in range(most + 1)]
        assert codes == [201] * most + [last]
