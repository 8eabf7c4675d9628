"""An object that is not there: the answer says which list has those that are."""

import re
from uuid import UUID

import pytest

from api.roles import Role
from api.store.missing import LISTS

NOWHERE = UUID(int=7)
ASKED = {
    "search": ("GET", "/v1/searches/{}"),
    "trial": ("GET", "/v1/trials/{}"),
    "data set": ("GET", "/v1/datasets/{}"),
    "network": ("GET", "/v1/networks/{}"),
    "operation": ("GET", "/v1/operations/{}"),
    "webhook": ("GET", "/v1/webhooks/{}"),
    "delivery": ("POST", "/v1/webhooks/WEBHOOK/deliveries/{}:redeliver"),
    "worker": ("GET", "/v1/workers/{}"),
    "key": ("DELETE", "/v1/keys/{}"),
}


@pytest.mark.parametrize("kind", LISTS)
def test_the_answer_names_the_list_of_those_that_are_there(app, person, kind):
    http = person(Role.ADMIN).http
    body = {"name": "chat", "url": "https://93.184.216.34/", "events": ["search.completed"]}
    webhook = http.post("/v1/webhooks", json=body).json()
    method, path = ASKED[kind]
    answer = http.request(method, path.format(NOWHERE).replace("WEBHOOK", webhook["id"]))
    assert answer.status_code == 404
    assert answer.json()["detail"] == f"there is no {kind} {NOWHERE}: {LISTS[kind]}"
    (listed,) = re.findall(r"GET (/v1/[\w/{}]*)", LISTS[kind])
    paths = [re.sub(r"{\w+}", "{id}", one) for one, do in _operations(app) if "get" in do]
    assert listed in paths


def _operations(app):
    return app.openapi()["paths"].items()


@pytest.mark.parametrize("path", ["/v1/searches/{}", "/v1/searches/{}/export", "/v1/trials/{}"])
def test_what_is_there_for_others_gets_the_words_of_what_is_not_there(person, world, path):
    search = world.search(person().caller)
    theirs = world.trial(search) if "trials" in path else search
    stranger = person().http
    found, unknown = (stranger.get(path.format(one)) for one in (theirs, NOWHERE))
    assert found.status_code == 404
    assert found.json()["detail"].replace(str(theirs), str(NOWHERE)) == unknown.json()["detail"]


def test_an_address_without_anything_leads_to_the_list_of_addresses(person):
    http = person().http
    nothing = http.get("/v1/nothing")
    assert (nothing.status_code, "/docs lists" in nothing.json()["detail"]) == (404, True)
    put = http.put("/v1/searches", json={})
    assert put.json()["detail"] == "found PUT; this address takes GET, HEAD, POST"
    assert put.headers["allow"] == "GET, HEAD, POST"
