"""Exports of single trials over HTTP: ordered, made by a worker, downloaded."""

from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text

from api.models.searches import Search
from api.models.trials import Trial
from api.roles import Role
from core.graph.roots import roots
from core.protocol.contracts.blobs import BlobRef
from core.protocol.contracts.bounds import Bounds
from core.protocol.contracts.train_orders import TrainOrder
from core.protocol.storage import Storage

ZIP = b"an archive"


@pytest.fixture
def owner(person: Any) -> Any:
    return person()


@pytest.fixture
def search_id(world: Any, owner: Any) -> Any:
    return world.search(owner.caller)


@pytest.fixture
def trial_id(world: Any, search_id: Any) -> Any:
    """A trial with weights, whose search is stopped afterwards."""
    weights = world.blob()
    made = world.trial(
        search_id, status="completed", value=0.5, ended_at=text("now()"), report_digest=b"digest",
        architecture=roots(world.dataset_spec(), Bounds())[0].to_json(),
        weights_key=weights.key, weights_bytes=weights.bytes,
    )  # fmt: skip
    world.set(Search, search_id, status="stopped", ended_at=text("now()"))
    return made


def exported(person: Any, world: Any, storage: Storage) -> BlobRef:
    """The file of an export that a worker leases, makes and reports."""
    http = person(Role.WORKER).http
    leased = http.post("/v1/worker/lease", json=world.worker().model_dump(mode="json"))
    order = TrainOrder.model_validate_json(leased.content)
    assert order.kind == "export"
    blob = storage.put("exports", ZIP, "zip")
    body = {
        "attempt": order.attempt, "token": str(order.token), "status": "completed",
        "export": blob.model_dump(mode="json"),
        "test": {"metric": 0.9, "std": 0.01, "loss": 0.2, "examples": 100},
    }  # fmt: skip
    answer = http.post(f"/v1/worker/trials/{order.trial_id}/result", json=body)
    assert answer.json()["accepted"]
    return blob


def test_an_export_is_ordered_followed_and_downloaded(
    app, person, world, owner, search_id, trial_id
) -> None:
    path = f"/v1/trials/{trial_id}/export"
    assert owner.http.get(path).status_code == 404
    ordered = owner.http.post(path)
    assert (ordered.status_code, ordered.headers["location"]) == (202, path)
    assert ordered.json()["status"] == "waiting"
    early = owner.http.get(f"{path}/file")
    assert (early.status_code, "is waiting: wait for it" in early.text) == (404, True)
    blob = exported(person, world, app.state.storage)

    found = owner.http.get(path).json()
    assert (found["status"], found["test_metric"], found["number"]) == ("completed", 0.9, 0)
    assert (found["trial_id"], found["export_bytes"]) == (str(trial_id), len(ZIP))
    listed = owner.http.get(f"/v1/searches/{search_id}/exports")
    assert listed.json() == {"items": [found]}
    assert person().http.get(f"/v1/searches/{search_id}/exports").status_code == 404
    file = owner.http.get(f"{path}/file")
    assert file.content == ZIP
    assert file.headers["etag"] == f'"{blob.sha256}"'
    assert f"netmorph-{search_id}-trial-0.zip" in file.headers["content-disposition"]
    assert owner.http.post(path).json() == found
    listed = owner.http.get(f"/v1/searches/{search_id}/trials").json()["items"]
    assert [one["id"] for one in listed] == [str(trial_id)]
    world.audit()


def test_a_file_that_storage_has_lost_is_made_again(app, person, world, owner, trial_id) -> None:
    path = f"/v1/trials/{trial_id}/export"
    owner.http.post(path)
    app.state.storage.delete(exported(person, world, app.state.storage))

    gone = owner.http.get(f"{path}/file")
    assert (gone.status_code, "or order the export again" in gone.text) == (503, True)
    assert owner.http.post(path).json()["status"] == "waiting"
    exported(person, world, app.state.storage)
    assert owner.http.get(f"{path}/file").content == ZIP


def test_a_trial_without_weights_is_a_conflict_and_an_unknown_one_not_found(
    world, owner, trial_id
) -> None:
    world.set(Trial, trial_id, weights_key=None)
    refused = owner.http.post(f"/v1/trials/{trial_id}/export")
    assert refused.status_code == 409
    assert "the weights of trial 0 were given up" in refused.json()["detail"]
    assert owner.http.post(f"/v1/trials/{uuid4()}/export").status_code == 404


def test_readers_of_a_shared_search_download_and_order_nothing(
    app, person, world, owner, search_id, trial_id
) -> None:
    path, reader = f"/v1/trials/{trial_id}/export", person().http
    assert reader.post(path).status_code == 404
    world.set(Search, search_id, shared=True)
    assert reader.post(path).status_code == 403
    owner.http.post(path)
    exported(person, world, app.state.storage)
    assert reader.get(path).json()["status"] == "completed"
    assert reader.get(f"{path}/file").content == ZIP
