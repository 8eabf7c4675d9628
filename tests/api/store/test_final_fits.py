"""What orders of final fits have beside those of other trials: networks, lineage, tallies."""

from api.store import final_fits
from core.protocol.contracts.train_orders import Member
from core.protocol.states import TrialKind
from tests.api.store.reports import context_of


def test_the_members_of_an_ensemble_come_in_the_order_of_their_final_fit(world, do) -> None:
    search, other = world.search(), world.search()
    weights = [world.blob() for _ in range(3)]
    made = [
        world.trial(
            search, status="completed", value=0.5, weights_key=blob.key, weights_bytes=10,
            architecture={"version": 1, "nodes": [number]},
        )
        for number, blob in enumerate(weights)
    ]  # fmt: skip
    world.trial(other)  # the same numbers belong to other trials elsewhere
    final = world.trial(search, kind=TrialKind.FINAL, parent_id=made[2], members=[2, 0])

    found = do(final_fits.members, do(context_of, final))

    assert found == tuple(
        Member(architecture={"version": 1, "nodes": [number]}, weights=weights[number])
        for number in (2, 0)
    )


def test_a_lineage_says_which_trial_was_continued(world, do) -> None:
    search = world.search()
    root = world.trial(search, weights_key="weights/0")
    wider = [{"text": "widen convolution 3", "data": {"kind": "widen"}}]
    child = world.trial(search, parent_id=root, morphisms=wider, weights_key="weights/1")
    longer = world.trial(search, parent_id=child, inherited=True)
    assert do(final_fits.lineage, longer) == [
        "trial 0: a root",
        "trial 1: widen convolution 3",
        "trial 2: continues trial 1",
    ]


def test_several_morphisms_are_one_step_of_a_lineage(world, do) -> None:
    search = world.search()
    steps = [{"text": text, "data": {}} for text in ("widen convolution 3", "deepen 4")]
    child = world.trial(search, parent_id=world.trial(search), morphisms=steps)
    assert do(final_fits.lineage, child)[-1] == "trial 1: widen convolution 3; deepen 4"


def test_only_completed_search_trials_are_tallied(world, do) -> None:
    search = world.search()
    root = world.trial(search, status="completed", value=0.5)
    for inherited in (True, True, False):
        world.trial(search, status="completed", value=0.5, inherited=inherited)
    world.trial(search, status="stopped", value=0.5, inherited=True)
    world.trial(search, kind=TrialKind.FINAL, parent_id=root, status="completed", inherited=True)
    world.trial(world.search(), status="completed", value=0.5)

    assert do(final_fits.tallies, search) == (4, 2)
