"""The grid of depth and width."""

import numpy as np

from benchmarks.histories import SPEC, dataset, history
from core.graph.roots import all_roots, roots
from core.protocol.contracts.bounds import Bounds
from core.protocol.states import TrialStatus
from core.search.history import PastTrial
from core.search.step import Snapshot, step
from core.search.strategies.grid import DEPTHS, WIDTHS, grid

ROOT = roots(SPEC, Bounds())[0]


def test_it_has_every_depth_with_every_width_once():
    found = list(grid(ROOT))
    assert len(found) == len(DEPTHS) * len(WIDTHS)
    assert len(set(found)) == len(found)
    assert ROOT in found
    assert len({len(one.nodes) for one in found}) == len(DEPTHS)


def test_small_networks_come_first():
    flops = [one.flops for one in grid(ROOT)]
    assert np.corrcoef(np.arange(len(flops)), np.log(flops))[0, 1] > 0.7


def test_every_kind_of_start_has_a_grid():
    for root in all_roots(dataset(side=28), Bounds()).values():
        assert len(set(grid(root))) > len(WIDTHS)


def test_a_search_walks_it_in_order_and_inherits_nothing():
    bounds = Bounds()
    trials: list[PastTrial] = []
    walked = []
    for number in range(6):
        (one,) = step(
            Snapshot(
                seed=0, next_number=number, count=1, strategy="grid", strategy_options={},
                roots=(ROOT,), bounds=bounds, trials=tuple(trials),
            )
        )  # fmt: skip
        assert one.parent_id is None
        assert one.morphisms == ()
        walked.append(one.architecture)
        trials.append(
            PastTrial(
                trial_id=history(1)[0].trial_id, number=number, architecture=one.architecture,
                status=TrialStatus.COMPLETED, value=0.5, inheritable=True,
            )
        )  # fmt: skip
    assert walked[0] == ROOT
    assert walked[1:] == [one for one in grid(ROOT) if one != ROOT][:5]
