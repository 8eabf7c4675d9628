"""Networks: uploaded, listed, deleted, and given to a search as its root."""

import json
from typing import Any
from uuid import uuid4

import httpx
import numpy as np
import pytest
from sqlalchemy import select

from api.controller.suggestions import answer
from api.models.blobs import Discarded
from api.models.networks import Network
from api.store import blobs, live_searches, searches
from api.store.snapshots import StoredSnapshot
from core.graph.architecture import Architecture
from core.graph.building import chain
from core.graph.weights import Weights, save
from core.layers import BatchNorm, Conv2d, Dense, Flatten, Input, MaxPool2d, Output, ReLU
from core.protocol.states import SearchStatus
from tests.strategies import random_weights

NETWORK = chain(
    iter(
        [
            *(Input((1, 8, 8)), BatchNorm(), Conv2d(5), ReLU(), MaxPool2d(), Flatten()),
            *(Dense(10), Output()),
        ]
    )
)
WEIGHTS = random_weights(NETWORK, np.random.default_rng(0), np.float32)
SEARCH = {"dataset": "digits", "budget": {"trials": 12}}


def upload(
    http: httpx.Client,
    architecture: Any = None,
    weights: bytes | Weights | None = WEIGHTS,
    name: str = "mine",
) -> httpx.Response:
    if isinstance(weights, dict):
        weights = save(weights)
    text = architecture if isinstance(architecture, str) else json.dumps(
        NETWORK.to_json() if architecture is None else architecture
    )  # fmt: skip
    files = {} if weights is None else {"weights": ("w.safetensors", weights)}
    fields = {"name": (None, name), "architecture": (None, text)}
    return http.post("/v1/networks", files=fields | files)


def refused(response: httpx.Response, status: int, *words: str) -> None:
    assert response.status_code == status, response.text
    for word in words:
        assert word in response.json()["detail"]


def test_a_network_is_uploaded_once(person, app, world):
    http = person().http
    first, again = upload(http), upload(http, name="other name")
    assert first.status_code == 201, first.text
    assert again.json() == first.json()
    found = first.json()
    assert (found["input_shape"], found["outputs"], found["layers"]) == ([1, 8, 8], 10, 8)
    assert found["parameters"] == NETWORK.parameters
    assert http.get(f"/v1/networks/{found['id']}").json() == found
    assert http.get("/v1/networks").json()["items"] == [found]
    with world.sessions.begin() as session:
        row = session.scalars(select(Network)).one()
    assert app.state.storage.get(blobs.reference(row.blob_key, row.blob_bytes)) == save(WEIGHTS)
    assert upload(http, weights=None).json()["id"] != found["id"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"architecture": "{"}, ["JSON"]),
        ({"architecture": "[" * 5000}, ["JSON"]),
        ({"architecture": []}, ["exactly 'version' and 'nodes'"]),
        ({"architecture": {"version": 1, "nodes": []}}, ["input"]),
        ({"architecture": {"version": 1, "nodes": [{}] * 501}}, ["501 layers", "at most 500"]),
        ({"architecture": "1" * 5000}, []),
        ({"name": ""}, ["name"]),
        ({"weights": b"hello"}, ["not safetensors"]),
        ({"weights": {1: WEIGHTS[1]}}, ["lack"]),
        ({"weights": save(WEIGHTS) + bytes(2**17)}, ["bytes; expected at most"]),
    ],
)
def test_an_impossible_network_is_refused(person, world, change, words):
    refused(upload(person().http, **change), 422, *words)
    with world.sessions.begin() as session:
        assert session.scalars(select(Network)).all() == []


def test_a_file_beyond_the_limit_is_refused_before_it_is_read(person):
    refused(upload(person().http, weights=bytes(3 * 2**20)), 413, "larger than")


def test_a_search_starts_from_the_network_alone(person, world):
    user = person()
    network = upload(user.http).json()["id"]

    created = user.http.post("/v1/searches", json=SEARCH | {"root": network})

    assert created.status_code == 201, created.text
    assert created.json()["root"] == network
    assert created.json()["bounds"]["parameters"] >= 2 * NETWORK.parameters
    stored = snapshot(world, created.json()["id"], count=4)
    (row,) = answer(stored)
    assert Architecture.from_json(row["architecture"]) == NETWORK
    assert (row["parent_id"], row["inherited"]) == (None, False)


def snapshot(world, search_id: str, count: int) -> StoredSnapshot:
    with world.sessions.begin() as session:
        (search,) = live_searches.live(session)
        assert str(search.search_id) == search_id
        searches.move(session, search.search_id, SearchStatus.RUNNING)
        found = live_searches.snapshot(session, search, count)
    assert found is not None
    return found


def test_a_search_with_a_root_that_does_not_fit_is_refused(person):
    user = person()
    wrong_classes = chain(iter([Input((1, 8, 8)), Flatten(), Dense(3), Output()])).to_json()
    wrong_shape = chain(iter([Input((1, 9, 8)), Flatten(), Dense(10), Output()])).to_json()
    large = chain(iter([Input((1, 8, 8)), Flatten(), Dense(900), Dense(10), Output()])).to_json()
    for architecture, bounds, words in (
        (wrong_classes, {}, ["root", "3 outputs; expected 10"]),
        (wrong_shape, {}, ["root", "1 × 9 × 8; expected 1 × 8 × 8"]),
        (large, {"width": 600}, ["root", "not within the bounds", "width 900"]),
    ):
        network = upload(user.http, architecture, weights=None).json()["id"]
        body = SEARCH | {"root": network, "bounds": bounds}
        refused(user.http.post("/v1/searches", json=body), 422, *words)


def test_a_network_of_another_person_does_not_exist(person):
    owner, other = person(), person()
    network = upload(owner.http).json()["id"]
    for root in (network, str(uuid4())):
        answered = other.http.post("/v1/searches", json=SEARCH | {"root": root})
        refused(answered, 422, "there is no network", "POST /v1/networks")
    assert other.http.get(f"/v1/networks/{network}").status_code == 404
    assert other.http.delete(f"/v1/networks/{network}").status_code == 404
    assert other.http.get("/v1/networks").json()["items"] == []
    same = upload(other.http).json()["id"]  # equal bytes: a network of their own
    assert same != network


def test_a_network_is_deleted_when_no_search_needs_it(person, world):
    user = person()
    network = upload(user.http).json()["id"]
    search = user.http.post("/v1/searches", json=SEARCH | {"root": network}).json()["id"]
    refused(user.http.delete(f"/v1/networks/{network}"), 409, "delete the search first")
    assert user.http.delete(f"/v1/searches/{search}").status_code == 204
    assert user.http.delete(f"/v1/networks/{network}").status_code == 204
    assert user.http.get("/v1/networks").json()["items"] == []
    with world.sessions.begin() as session:
        assert len(session.scalars(select(Discarded)).all()) == 1
