"""The export of a trial on its page and on the front of its search."""

from typing import Any

import pytest
from sqlalchemy import text

from api.models.searches import Search
from api.models.trials import Trial
from core.protocol.states import TrialKind
from tests.api.visitors import enter, token

ZIP = b"an archive"


@pytest.fixture
def search_id(world: Any, visitor: Any) -> Any:
    return world.search(visitor.caller)


@pytest.fixture
def trial_id(world: Any, search_id: Any) -> Any:
    weights = world.blob()
    return world.trial(
        search_id, status="completed", value=0.5, ended_at=text("now()"),
        weights_key=weights.key, weights_bytes=weights.bytes,
    )  # fmt: skip


def make(world: Any, app: Any, search_id: Any) -> None:
    """Let a worker have made the export that was ordered."""
    blob = app.state.storage.put("exports", ZIP, "zip")
    (export,) = [one for one in world.trials(search_id) if one.kind == TrialKind.EXPORT]
    world.set(
        Trial, export.id, status="completed", ended_at=text("now()"), test_metric=0.875,
        export_key=blob.key, export_bytes=blob.bytes,
    )  # fmt: skip


def test_the_button_of_a_trial_exports_it(app, visitor, world, search_id, trial_id) -> None:
    address = f"/trials/{trial_id}"
    assert f'action="{address}/export"' in visitor.http.get(address).text
    sent = visitor.http.post(f"{address}/export", data={"token": token(visitor.http)})
    assert (sent.status_code, sent.headers["location"]) == (303, address)
    waiting = visitor.http.get(address).text
    assert "no worker is connected" in waiting
    assert "data-poll" in waiting
    assert f'action="{address}/export"' not in waiting
    assert "export of trial 0" in visitor.http.get("/queue").text
    front = visitor.http.get(f"/ui/searches/{search_id}/front").text
    assert '<td data-label="Network">waiting</td>' in front
    log = visitor.http.get(f"/ui/searches/{search_id}/log").text
    assert "trial 0</a> export ordered" in log
    assert "on the test split" not in log

    make(world, app, search_id)

    part = visitor.http.get(f"/ui/trials/{trial_id}/facts").text
    assert "test accuracy 87.50 %, without a final fit" in part
    assert f'href="{address}/export/file"' in part
    assert visitor.http.get(f"{address}/export/file").content == ZIP
    front = visitor.http.get(f"/ui/searches/{search_id}/front").text
    assert f'href="{address}/export/file"' in front
    log = visitor.http.get(f"/ui/searches/{search_id}/log").text
    assert '<span class="status completed">completed</span> with 87.50 % on the test split' in log
    assert log.count(f'href="{address}"') == 4  # two events of the trial, two of its export


def test_a_trial_without_weights_has_a_reason_in_place_of_the_button(
    visitor, world, search_id, trial_id
) -> None:
    world.set(Trial, trial_id, weights_key=None)
    page = visitor.http.get(f"/trials/{trial_id}").text
    assert "It cannot be exported: the weights of trial 0 were given up" in page
    assert "<button>Export this network" not in page
    sent = visitor.http.post(f"/trials/{trial_id}/export", data={"token": token(visitor.http)})
    assert (sent.status_code, "were given up" in sent.text) == (409, True)


def test_a_failed_export_can_be_ordered_again(visitor, world, search_id, trial_id) -> None:
    sent = {"token": token(visitor.http)}
    visitor.http.post(f"/trials/{trial_id}/export", data=sent)
    (export,) = [one for one in world.trials(search_id) if one.kind == TrialKind.EXPORT]
    failed = {"status": "failed", "reason": "it errs", "ended_at": text("now()")}
    world.set(Trial, export.id, **failed)

    page = visitor.http.get(f"/trials/{trial_id}").text
    assert "it errs" in page
    assert "<button>Export this network" in page


def test_readers_of_a_shared_search_have_no_button(person, world, search_id, trial_id) -> None:
    world.set(Search, search_id, shared=True)
    reader = person()
    enter(reader.http, reader.key)
    page = reader.http.get(f"/trials/{trial_id}")
    assert page.status_code == 200
    assert "<button>Export this network" not in page.text


def test_a_trial_that_runs_and_a_final_fit_have_no_export_of_their_own(
    visitor, world, search_id, trial_id
) -> None:
    for other in (
        world.trial(search_id),
        world.trial(search_id, kind="final", parent_id=trial_id, status="failed"),
    ):
        assert 'id="export"' not in visitor.http.get(f"/trials/{other}").text
