"""The lineage of a large search: the winning line, its siblings and the running trials."""

from uuid import UUID

from api.pictures.lineage import COMPLETE, SIBLINGS, selection
from api.schemas.searches import Best, SearchOut
from api.store.trials import TrialPoint


def point(number: int, parent: int | None, **values: object) -> TrialPoint:
    known = {"kind": "search", "status": "completed", "value": 0.5} | values
    return TrialPoint(
        id=UUID(int=number), number=number, attempt=1, value_std=None, parameters=1, flops=1,
        latency=None, parent_id=None if parent is None else UUID(int=parent), **known,
    )  # fmt: skip


def numbers(
    points: list[TrialPoint], best: int | None, *, larger_is_better: bool = True
) -> list[int]:
    known = None if best is None else Best.model_construct(trial_id=UUID(int=best))
    search = SearchOut.model_construct(best=known, larger_is_better=larger_is_better)
    chosen = selection(points, search)
    return [key.int for key in chosen]


def test_a_small_search_is_shown_completely_without_its_final_fit() -> None:
    points = [point(number, None) for number in range(COMPLETE)] + [
        point(COMPLETE, 3, kind="final")
    ]
    assert numbers(points, 3) == list(range(COMPLETE))


def test_a_large_search_is_shown_by_the_line_of_its_best_and_what_runs() -> None:
    chain = [point(0, None), point(1, 0), point(2, 1), point(3, 0), point(4, 1), point(5, 3)]
    others = [point(number, 5) for number in range(6, COMPLETE + 6)]
    running = point(COMPLETE + 6, 6, status="running")
    final = point(COMPLETE + 7, 2, kind="final")
    points = [*chain, *others, running, final]

    shown = numbers(points, 2)

    assert shown == [0, 1, 2, 3, 4, 5, 6, COMPLETE + 6]  # 3 and 4 are siblings; 5 and 6 lead to it
    assert numbers(points, None) == [0, 3, 5, 6, COMPLETE + 6]


def test_of_many_siblings_the_best_are_shown() -> None:
    points = [point(number, None, value=number / 1000) for number in range(COMPLETE + 1)]
    shown = numbers(points, COMPLETE)
    assert shown == list(range(COMPLETE + 1 - SIBLINGS, COMPLETE + 1))
    assert numbers(points, 0, larger_is_better=False) == list(range(SIBLINGS))  # errors
