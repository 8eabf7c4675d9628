"""Regression over REST and on the pages: the task is that of the data, and errors have units."""

import io
import re
from typing import Any

import numpy as np

from api.controller.suggestions import answer
from api.pictures.figures import NAMES
from api.store import live_searches, searches
from core.graph.architecture import Architecture
from core.graph.building import chain
from core.layers import BatchNorm, Dense, Input, Output
from core.protocol.states import SearchStatus
from tests.api.routes.test_networks import refused
from tests.api.routes.test_networks import upload as upload_network
from tests.api.visitors import token
from tests.strategies import random_weights

FRACTIONS = np.arange(40) / 3
MEASURES = {"RMSE": 54.321, "MAE": 43.21}


def npz(y: Any) -> bytes:
    file = io.BytesIO()
    np.savez(file, x=np.random.default_rng(0).normal(size=(40, 3)), y=y)
    return file.getvalue()


def upload(http: Any, y: Any = FRACTIONS, **fields: str) -> Any:
    return http.post("/v1/datasets", data={"name": "table"} | fields, files={"file": ("x", npz(y))})


def test_a_search_has_the_task_of_its_data_set(person, world):
    user = person()
    made = upload(user.http, np.arange(40), task="regression").json()
    assert (made["task"], made["classes"], made["target_names"]) == ("regression", 0, ["y"])
    assert made["description"]["targets"][0]["greatest"] == 39
    body = {"dataset": "table", "budget": {"trials": 8}}

    created = user.http.post("/v1/searches", json=body).json()

    assert (created["task"], created["metric"], created["in_percent"]) == (
        "regression",
        "R²",
        False,
    )
    wrong = body | {"task": "image-classification"}
    refused(user.http.post("/v1/searches", json=wrong), 422, "is for 'regression', not 'image-")
    with world.sessions.begin() as session:
        (search,) = live_searches.live(session)
        searches.move(session, search.search_id, SearchStatus.RUNNING)
        stored = live_searches.snapshot(session, search, 1)
    (row,) = answer(stored)
    assert Architecture.from_json(row["architecture"]).output_shape == (1,)
    chosen = row["hyperparameters"]
    assert (chosen["label_smoothing"], chosen["mixing"], chosen["erasing"]) == (0, 0, 0)
    assert chosen["augmentation"] == "none"


def test_labels_that_do_not_suit_the_task_are_refused(person):
    user = person()
    missing = np.where(np.arange(40) == 7, np.nan, 0.5)
    for y, task, words in (
        (FRACTIONS, "image-classification", "fractions"),
        (FRACTIONS, "forecast", "expected one of image-classification, multi-label, regression"),
        (missing, "regression", "first in number 7"),
    ):
        refused(upload(user.http, y, task=task), 422, words)


def test_a_search_starts_from_weights_that_can_be_standardised(person):
    user = person()
    assert upload(user.http).status_code == 201
    scalable, plain = (
        chain(iter([Input((3,)), BatchNorm(), Dense(1, bias), Output()])) for bias in (True, False)
    )
    body = {"dataset": "table", "budget": {"trials": 2}}
    searches = []
    uploads = [
        upload_network(user.http, scalable.to_json(), weights_of(scalable)),
        upload_network(user.http, plain.to_json(), weights_of(plain)),
        upload_network(user.http, plain.to_json(), None),
    ]
    networks = [one.json()["id"] for one in uploads]
    for root, status in zip(networks, (201, 422, 201), strict=True):
        answered = user.http.post("/v1/searches", json=body | {"root": root})
        assert answered.status_code == status, answered.text
        assert ("expected a Dense layer with a bias" in answered.text) == (status == 422)
        searches.append(answered.json().get("id"))
    for enqueued, status in zip(networks, (200, 422, 200), strict=True):
        answered = user.http.put(f"/v1/searches/{searches[-1]}/enqueued/{enqueued}")
        assert answered.status_code == status, answered.text


def weights_of(network):
    return random_weights(network, np.random.default_rng(0), np.float32)


def test_errors_in_the_units_of_the_data_stand_beside_r_squared(visitor, world, calls):
    search_id = world.search(visitor.caller, task="regression")
    trial = world.trial(search_id)
    order = calls.lease(world.worker())
    found = {"value": -0.25, "value_std": 0.1, "validation_loss": 1.25, "measures": MEASURES}
    assert calls.result(trial, world.result(order, **found)).accepted
    world.trial(
        search_id, kind="final", parent_id=trial, seconds=1.0, test_metric=0.4567, test_loss=0.5,
        test_examples=90, test_measures=[list(pair) for pair in MEASURES.items()],
    )  # fmt: skip

    key = {"Authorization": f"Bearer {visitor.key}"}
    found = visitor.http.get(f"/v1/searches/{search_id}", headers=key).json()
    assert list(found["best"]["measures"].items()) == list(MEASURES.items())
    assert list(found["final"]["test_measures"].items()) == list(MEASURES.items())
    page = visitor.http.get(f"/searches/{search_id}").text
    assert "Test R²" in page
    assert page.count("RMSE 54.32, MAE 43.21") == 2
    assert "0.4567" in page
    assert "-0.25</a>" in page
    assert "± 0.1" in page
    assert "RMSE 54.32, MAE 43.21" in visitor.http.get(f"/trials/{trial}").text
    for name in set(NAMES) - {"calibration", "timeline"}:  # shares, and names of workers
        figure = visitor.http.get(f"/v1/searches/{search_id}/figures/{name}", headers=key)
        assert figure.status_code == 200
        if name not in {"calibration", "timeline"}:  # they show no values
            assert figure.json()["layout"]["yaxis"]["tickformat"] == ".3~g"


def test_the_upload_page_offers_the_task_and_the_next_one_describes_the_numbers(visitor):
    form = {"token": token(visitor.http), "name": "mine", "task": "regression"}
    answered = visitor.http.post(
        "/ui/datasets", data=form, files={"file": ("x", npz(np.arange(40)))}
    )
    page = visitor.http.get(answered.headers["location"]).text
    assert "1 number to predict: y from 0 to 39" in page
    least = r'<td class="n" data-label="Least">0</td>'
    mean = r'<td class="n" data-label="Mean">19.5</td>'
    assert re.search(f">y</td>{least}{mean}", page)
    assert "Examples of each class" not in page
    listed = visitor.http.get("/data-sets").text
    assert '<span title="y">numbers</span>' in listed
    assert "are numbers to predict</option>" in listed
