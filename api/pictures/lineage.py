"""Lines of ancestors, and which trials the lineage of a large search shows."""

from collections.abc import Iterable, Mapping, Sequence
from uuid import UUID

from api.pictures.plots import goodness
from api.schemas.searches import SearchOut
from api.store.trials import TrialPoint
from core.protocol.states import TrialKind, TrialStatus

COMPLETE = 100  # trials of a search that is shown completely
SIBLINGS = 40  # of the winning line, in a larger one


def selection(points: Sequence[TrialPoint], search: SearchOut) -> list[UUID]:
    """The trials to show: of a large search the line of the best, its best siblings, what runs.

    Each comes with its ancestors, so that all are connected.
    """
    mine = {point.id: point for point in points if point.kind == TrialKind.SEARCH}
    if len(mine) <= COMPLETE:
        return list(mine)
    line = _line(mine, [] if search.best is None else [search.best.trial_id])
    siblings = [one for one in mine.values() if one.parent_id in line | {None}]
    siblings.sort(key=lambda one: (one.value is None, -goodness(one.value, search)))
    running = [one.id for one in mine.values() if one.status == TrialStatus.RUNNING]
    shown = line | {one.id for one in siblings[:SIBLINGS]} | _line(mine, running)
    return [key for key in mine if key in shown]


def _line(mine: Mapping[UUID, TrialPoint], ends: Iterable[UUID]) -> set[UUID]:
    """These trials and all their ancestors."""
    found: set[UUID] = set()
    for end in ends:
        key: UUID | None = end
        while key is not None and key in mine and key not in found:
            found.add(key)
            key = mine[key].parent_id
    return found


def line_of(parents: Mapping[UUID, UUID | None], trial: UUID) -> list[UUID]:
    """The trial and its ancestors, the nearest first; `parents` has the parent of each trial."""
    line: list[UUID] = []
    key: UUID | None = trial
    while key is not None and key not in line:
        line.append(key)
        key = parents.get(key)
    return line


def common_ancestor(lines: Sequence[Sequence[UUID]]) -> UUID | None:
    """The nearest trial that is on all lines; None where there is none."""
    shared = set(lines[0]).intersection(*lines[1:])
    return next((key for key in lines[0] if key in shared), None)
