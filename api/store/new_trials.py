"""New trials: suggestions and final fits become rows, if the search is still as it was read."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import func, update
from sqlalchemy.orm import Session

from api.models import Search, Trial
from api.priorities import RANKS, Priority
from api.store.notifications import changed
from core import morphisms
from core.graph.architecture import Architecture
from core.graph.cost import training_memory
from core.protocol.contracts import Hyperparameters
from core.protocol.states import SearchStatus, TrialKind
from core.search.history import Suggestion


def add(session: Session, search_id: UUID, number: int, new: Sequence[Mapping[str, Any]]) -> bool:
    """Add suggested trials, given as columns, the first of them with this number; all or none.

    False where the search is not running or has got other trials meanwhile: the suggestions no
    longer fit and are dropped.
    """
    statement = (
        update(Search)
        .where(
            Search.id == search_id,
            Search.status == SearchStatus.RUNNING,
            Search.next_number == number,
            func.coalesce(Search.trial_limit, number + len(new)) >= number + len(new),
        )
        .values(next_number=number + len(new))
        .returning(Search.priority)
    )
    priority = session.scalars(statement).one_or_none() if new else None
    if priority is None:
        return False
    rank = RANKS[Priority(priority)]
    session.add_all(Trial(search_id=search_id, queue_rank=rank, **columns) for columns in new)
    session.flush()
    changed(session, search_id)
    return True


def add_final(
    session: Session,
    search_id: UUID,
    number: int,
    winner_id: UUID,
    *,
    inherits: bool = True,
    members: Sequence[int] = (),
    joint: Architecture | None = None,
) -> bool:
    """Add the final fit, which trains the winner on; False where it was added already.

    With `inherits` it begins with the winner's weights, if there are any. `joint` is the
    architecture of an ensemble, which joins the trials with the numbers `members`; it replaces
    the winner's.
    """
    winner = session.get(Trial, winner_id)
    statement = (
        update(Search)
        .where(
            Search.id == search_id,
            Search.status == SearchStatus.FINISHING,
            Search.next_number == number,
        )
        .values(next_number=number + 1)
        .returning(Search.started_at, Search.priority)
    )
    row = session.execute(statement).one_or_none()
    if winner is None or row is None:
        return False
    copied = ("architecture", "fingerprint", "layers", "parameters", "flops", "choices")
    columns = {name: getattr(winner, name) for name in (*copied, "training_memory")}
    if joint is not None:  # its networks are trained one after the other
        columns |= architecture_columns(joint) | {"training_memory": None}
    session.add(
        Trial(
            search_id=search_id,
            number=number,
            kind=TrialKind.FINAL,
            parent_id=winner.id,
            morphisms=[],
            members=list(members),
            inherited=inherits and winner.weights_key is not None,
            available_at=row.started_at,  # goes before trials of later searches
            queue_rank=RANKS[Priority(row.priority)],
            **columns,
        )
    )
    session.flush()
    changed(session, search_id)
    return True


def new_row(
    suggestion: Suggestion,
    number: int,
    hyperparameters: Hyperparameters,
    *,
    is_timed: bool,
    value_range: tuple[float, float],
) -> dict[str, Any]:
    """The columns of a new trial, with the epochs of its hyper-parameters reserved.

    Where the search is timed the hyper-parameters are chosen when a worker leases the trial, so
    they are not stored. `value_range` is that of the task type.
    """
    mean, std = clipped(suggestion.predicted_mean, suggestion.predicted_std, value_range)
    return {
        "number": number,
        "parent_id": suggestion.parent_id,
        "morphisms": _steps(suggestion),
        "inherited": suggestion.parent is not None,
        "predicted_mean": mean,
        "predicted_std": std,
        "hyperparameters": None if is_timed else hyperparameters.model_dump(mode="json"),
        "epochs_reserved": hyperparameters.epochs,
        "choices": suggestion.choices.changes,
        "training_memory": training_memory(
            suggestion.architecture.costs, hyperparameters.batch_size
        ),
        **architecture_columns(suggestion.architecture),
    }


def architecture_columns(architecture: Architecture) -> dict[str, Any]:
    """An architecture as the columns of a trial have it."""
    return {
        "architecture": architecture.to_json(),
        "fingerprint": architecture.fingerprint,
        "layers": len(architecture.nodes),
        "parameters": architecture.parameters,
        "flops": architecture.flops,
    }


def clipped(
    mean: float | None, std: float | None, value_range: tuple[float, float]
) -> tuple[float | None, float | None]:
    """A prediction clipped to what is possible for values within a range.

    A Gaussian process has no limits: where it expects a failure, its median is far below the least
    value. No distribution on [a, b] has a standard deviation above (b - a) / 2 (Popoviciu 1935).
    """
    least, greatest = value_range
    return (
        None if mean is None else min(max(mean, least), greatest),
        None if std is None else min(std, (greatest - least) / 2),
    )


def _steps(suggestion: Suggestion) -> list[dict[str, Any]]:
    """The morphisms as data and in words, each described on the architecture before it."""
    steps = []
    before = None if suggestion.parent is None else suggestion.parent.architecture
    for morphism in suggestion.morphisms:
        data = morphisms.to_json(morphism)
        words = data["kind"].replace("_", " ") if before is None else morphism.describe(before)
        steps.append({"text": words, "data": data})
        before = before and morphism.apply(before)
    return steps
