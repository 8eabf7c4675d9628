"""Files of a search that a browser has already: the table of its trials, and its report."""

from datetime import UTC, datetime, timedelta

import pytest

from api.models.searches import Search
from api.store import leases
from core.protocol.states import SearchStatus
from tests.api.store.reports import LEASE
from tests.api.visitors import enter


def known(tag: str) -> dict[str, str]:
    return {"If-None-Match": f'"another", {tag}'}


def test_a_table_of_trials_is_sent_again_only_after_a_change(visitor, world, do):
    search = world.search(visitor.caller)
    trial = world.trial(search)
    path = f"/searches/{search}/trials.csv?sort=-value"
    first = visitor.http.get(path)
    assert first.headers["cache-control"] == "private, no-cache"
    tag = first.headers["etag"]
    same = visitor.http.get(path, headers=known(tag))
    assert (same.status_code, same.content, same.headers["etag"]) == (304, b"", tag)
    assert visitor.http.head(path, headers=known(tag)).status_code == 304

    box = world.worker("box")
    assert do(leases.take, box, box.boot_id, LEASE, trial).held is not None
    changed = visitor.http.get(path, headers=known(tag))
    assert (changed.status_code, "running" in changed.text) == (200, True)
    assert changed.headers["etag"] != tag


def test_a_report_of_an_ended_search_is_sent_again_only_after_a_change(visitor, world):
    search = world.search(visitor.caller, SearchStatus.STOPPED)
    path, headers = f"/searches/{search}/report", {"Authorization": f"Bearer {visitor.key}"}
    tag = visitor.http.get(path).headers["etag"]
    same = visitor.http.get(path, headers=known(tag))
    assert (same.status_code, same.content, same.headers["etag"]) == (304, b"", tag)

    renamed = visitor.http.patch(f"/v1/searches/{search}", json={"name": "new"}, headers=headers)
    assert renamed.status_code == 200
    changed = visitor.http.get(path, headers=known(tag))
    assert (changed.status_code, "new" in changed.text) == (200, True)


def test_a_report_changes_with_the_time_that_a_running_search_has_taken(visitor, world):
    search = world.search(visitor.caller)
    path = f"/searches/{search}/report"
    tag = visitor.http.get(path).headers["etag"]
    world.set(Search, search, started_at=datetime.now(UTC) - timedelta(hours=3))
    later = visitor.http.get(path, headers=known(tag))
    assert later.status_code == 200
    assert later.headers["etag"] != tag


def test_a_report_changes_with_what_its_reader_may_see_of_the_data(visitor, person, world):
    """A search is shared without its data set."""
    search = world.search(visitor.caller, SearchStatus.STOPPED)
    world.set(Search, search, shared=True)
    reader = person()
    enter(reader.http, reader.key)
    path = f"/searches/{search}/report"
    tag = visitor.http.get(path).headers["etag"]
    assert reader.http.get(path, headers=known(tag)).status_code == 200


@pytest.mark.parametrize("file", ["trials.csv", "report"])
def test_a_known_file_of_another_is_not_found_and_another_wanted_one_is_refused(
    file, visitor, person, world
):
    search = world.search(visitor.caller, SearchStatus.STOPPED)
    path = f"/searches/{search}/{file}"
    tag = visitor.http.get(path).headers["etag"]
    assert visitor.http.get(path, headers={"If-Match": '"another"'}).status_code == 412
    assert visitor.http.get(path, headers={"If-Match": "*"}).status_code == 200
    stranger = person()
    enter(stranger.http, stranger.key)
    for headers in (known(tag), {"If-None-Match": "*"}):
        assert stranger.http.get(path, headers=headers).status_code == 404
