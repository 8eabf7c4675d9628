"""Resources of others do not exist: every read and change, for owners, others and admins."""

from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy.orm import Session

from api.models.searches import Search
from api.operation_states import OperationKind
from api.roles import Role
from api.schemas.searches import LimitsIn, SearchPatch
from api.store import (
    budgets,
    datasets,
    epochs,
    networks,
    operations,
    searches,
    stopped_trials,
    trial_exports,
    trials,
)
from api.store.errors import Forbidden, NotFound
from api.store.keys import Caller
from core.protocol.states import SearchStatus, TrialKind

Use = Callable[[Session, Caller, UUID], Any]

#: By what the id is of.
USES: dict[str, tuple[str, Use]] = {
    "searches.get": ("search", searches.get),
    "searches.version": ("search", searches.version),
    "searches.remove": ("search", searches.remove),
    "searches.move_own": (
        "search",
        lambda session, caller, id: searches.move_own(session, caller, id, SearchStatus.STOPPED),
    ),
    "searches.locked": ("search", searches.locked),
    "budgets.finish": ("search", budgets.finish),
    "budgets.extend": ("search", lambda s, c, id: budgets.extend(s, c, id, LimitsIn(trials=200))),
    "searches.edit": ("search", lambda s, c, id: searches.edit(s, c, id, SearchPatch(note="x"))),
    "trials.listing": ("search", trials.listing),
    "epochs.page_of_search": (
        "search",
        lambda s, c, id: epochs.page_of_search(s, c, id, limit=9),
    ),
    "trials.export_of": ("search", trials.export_of),
    "trials.get": ("trial", trials.get),
    "stopped_trials.stop": ("running", stopped_trials.stop),
    "epochs.of_trial": ("trial", epochs.of_trial),
    "epochs.page_of_trial": ("trial", lambda s, c, id: epochs.page_of_trial(s, c, id, limit=9)),
    "trial_exports.state": ("exported", trial_exports.state),
    "trial_exports.blob_of": ("exported", trial_exports.blob_of),
    "trial_exports.order": (
        "exported",
        lambda s, c, id: trial_exports.order(s, c, id, most=9, is_intact=lambda blob: True),
    ),
    "trial_exports.listing": ("search", trial_exports.listing),
    "datasets.get": ("dataset", datasets.get),
    "datasets.row": ("dataset", lambda s, c, id: datasets.row(s, c, str(id))),
    "networks.get": ("network", networks.get),
    "networks.architecture": ("network", networks.architecture),
    "networks.remove": ("network", networks.remove),
    "operations.get": ("operation", operations.get),
    "operations.cancel": (
        "operation",
        lambda s, c, id: operations.cancel(s, c, id, {"detail": ""}),
    ),
}


#: What ids of a search and its trials are of.
OF_SEARCH = {"search", "trial", "running", "exported"}


@pytest.fixture
def things(world: Any) -> dict[str, Any]:
    """A search with an exported final fit, its data set, and their owner."""
    owner = world.caller()
    search = world.search(owner)
    best = world.trial(search, value=0.5)
    export = world.blob("exports")
    trial = world.trial(
        search, kind=TrialKind.FINAL, parent_id=best, export_key=export.key, export_bytes=9
    )
    exported = world.trial(
        search, status="completed", value=0.4, weights_key=world.blob().key, weights_bytes=9
    )
    ordered = {"kind": TrialKind.EXPORT, "parent_id": exported, "number": -3}
    world.trial(search, export_key=export.key, export_bytes=9, **ordered)
    dataset = world.get_search(search).dataset_id
    network = world.network(owner)
    with world.sessions.begin() as session:
        operation = operations.begin(
            session, owner, uuid4(), uuid4(), kind=OperationKind.UPLOAD, name="a", step=""
        ).id
    return {
        "owner": owner, "search": search, "trial": trial, "running": best, "exported": exported,
        "dataset": dataset, "network": network, "operation": operation,
    }  # fmt: skip


#: Uses that others have of a shared search; all other uses of a search and its trials change it.
READING = {
    "searches.get", "searches.version", "trials.listing", "epochs.page_of_search",
    "trials.export_of", "trials.get", "epochs.of_trial", "epochs.page_of_trial",
    "trial_exports.state", "trial_exports.blob_of", "trial_exports.listing",
}  # fmt: skip


@pytest.mark.parametrize("use", [use for use, (kind, _) in USES.items() if kind in OF_SEARCH])
def test_a_shared_search_is_read_by_all_and_changed_by_its_owner_and_admins(
    world, things, use
) -> None:
    kind, call = USES[use]
    world.set(Search, things["search"], shared=True)
    with world.sessions() as session:
        if use in READING:
            call(session, world.caller(), things[kind])
        else:
            with pytest.raises(Forbidden, match="only its owner and admins change it"):
                call(session, world.caller(), things[kind])
    for caller in (world.caller(Role.ADMIN), things["owner"]):
        with world.sessions() as session:
            call(session, caller, things[kind])


@pytest.mark.parametrize("use", USES)
def test_only_the_owner_and_admins_have_access(world, things, use) -> None:
    kind, call = USES[use]
    with world.sessions.begin() as session, pytest.raises(NotFound):
        call(session, world.caller(), things[kind])
    with world.sessions.begin() as session, pytest.raises(NotFound):
        call(session, things["owner"], uuid4())
    for caller in (world.caller(Role.ADMIN), things["owner"]):
        with world.sessions() as session:
            call(session, caller, things[kind])  # rolled back: the next one finds it, too


def test_lists_have_only_the_callers_own(world, things) -> None:
    other = world.caller()
    own = world.search(other)
    with world.sessions.begin() as session:
        admin = world.caller(Role.ADMIN)
        assert [item.id for item in searches.listing(session, other).items] == [own]
        assert {item.id for item in searches.listing(session, admin).items} == {
            own,
            things["search"],
        }
        world.set(Search, things["search"], shared=True)
        listed_searches = searches.listing(session, other).items
        assert {item.id: item.owner.id for item in listed_searches} == {
            own: other.key_id,
            things["search"]: things["owner"].key_id,
        }
        assert [
            item.id for item in searches.listing(session, other, searches.Filter(own=True)).items
        ] == [own]
        assert searches.listing(session, admin, searches.Filter(own=True)).items == []
        listed = datasets.listing(session, other).items
        assert things["dataset"] not in {item.id for item in listed}


def test_a_built_in_data_set_is_everybodys(world) -> None:
    dataset = world.dataset(world.caller(), builtin=True)
    with world.sessions.begin() as session:
        assert datasets.get(session, world.caller(), dataset).builtin


def test_the_callers_own_data_set_takes_precedence_over_a_built_in_of_the_same_name(world) -> None:
    caller, spec = world.caller(), world.dataset_spec()
    with world.sessions.begin() as session:
        for builtin in (True, False):
            blob = world.blob("datasets")
            datasets.add(session, caller, name="digits", builtin=builtin, spec=spec, blob=blob)
        assert not datasets.row(session, caller, "digits").builtin
        assert datasets.row(session, world.caller(), "digits").builtin
