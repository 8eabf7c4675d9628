"""Webhooks on the dashboard: whose they are, what a form may be, the log of deliveries."""

import re

import pytest
from sqlalchemy import select, update

from api.models.webhooks import Delivery, Webhook
from tests.api.visitors import enter, token

FORM = {
    "name": "chat <b>",
    "url": "https://hooks.invalid/x?y=1",
    "events": ["search.completed", "trial.best"],
}


def test_a_webhook_is_added_tested_sent_again_and_deleted(visitor, person, world):
    http, other = visitor.http, person()
    secured = {"token": token(http)}
    answer = http.post("/settings/webhooks", data=secured | FORM)
    assert answer.status_code == 200, answer.text
    (secret,) = re.findall(r"whsec_[A-Za-z0-9+/=]{40,}", answer.text)
    page = http.get("/settings").text
    assert secret not in page
    assert "chat &lt;b&gt;" in page
    with world.sessions.begin() as session:
        webhook_id = session.scalars(select(Webhook.id)).one()
    path = f"/settings/webhooks/{webhook_id}"
    assert http.post(f"{path}/test", data=secured).headers["location"] == path
    assert http.post(f"{path}/test", data=secured).headers["location"] == path  # the pending one
    with world.sessions.begin() as session:
        failed = {"status": "failed", "attempts": 7, "error": "no answer", "answer": 503}
        delivery_id = session.execute(
            update(Delivery).values(failed).returning(Delivery.id)
        ).scalar_one()
    log = http.get(path).text
    assert all(part in log for part in ("A test", "failed", "503", "no answer"))
    again = f"{path}/deliveries/{delivery_id}"
    changes = (again, f"{path}/test", f"{path}/delete")
    for one in changes:
        assert http.post(one, data={"token": "x"}).status_code == 403
    enter(other.http, other.key)
    theirs = {"token": token(other.http)}
    assert [other.http.post(one, data=theirs).status_code for one in changes] == [404] * 3
    fragment = f"/ui/webhooks/{webhook_id}/deliveries"
    assert [other.http.get(one).status_code for one in (path, fragment)] == [404] * 2
    assert "chat" not in other.http.get("/settings").text

    assert http.post(again, data=secured).headers["location"] == path
    assert "pending" in http.get(fragment).text
    assert http.post(f"{path}/delete", data=secured).headers["location"] == "/settings"
    assert http.get(path).status_code == 404


@pytest.mark.parametrize(
    ("change", "field", "message"),
    [
        ({"name": " "}, "name", "must not be empty"),
        ({"url": "http://169.254.169.254/"}, "url", "is a private or reserved address"),
        ({"url": "mine"}, "url", "valid URL"),
        ({"events": []}, "events", "choose at least one event"),
        ({"events": ["search.begun"]}, "events", "choose at least one event"),
    ],
)
def test_a_wrong_field_of_a_webhook_is_marked_and_the_others_stay(visitor, change, field, message):
    sent = {"token": token(visitor.http)} | FORM | change
    answer = visitor.http.post("/settings/webhooks", data=sent)
    assert answer.status_code == 422
    assert message in re.findall(rf'id="webhook-{field}-error"[^>]*>([^<]*)', answer.text)[0]
    assert "whsec_" not in answer.text
    if field != "url":
        assert "https://hooks.invalid/x?y=1" in answer.text
