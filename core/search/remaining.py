"""How long a search will still take, its final fit included."""

from dataclasses import dataclass, replace

from core.protocol.contracts.datasets import DatasetSpec
from core.protocol.contracts.search_config import SearchConfig
from core.search.trial_training import Spent, final_hyperparameters


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a search is."""

    elapsed: float  # seconds since its start
    ended: int  # trials
    epochs: int  # of the trials
    spent: Spent  # by the trials; its lineage is that of the best one so far
    final_epochs: int  # that the final fit has finished


def seconds_left(config: SearchConfig, spec: DatasetSpec, progress: Progress) -> float | None:
    """The estimated seconds until the network is exported; None while nothing is known.

    A budget in seconds includes the final fit, so the rest of it is an upper bound. A budget in
    trials or epochs does not: the final fit is as long as `final_hyperparameters` says, given the
    seconds that the trials will have taken in the end.
    """
    seconds = config.budget.seconds
    limit = None if seconds is None else max(0.0, seconds - progress.elapsed)
    share = _share(config, progress)
    if share is None or progress.spent.total <= 0 or progress.epochs == 0:
        return limit
    total = progress.spent.total / share
    trials = (total - progress.spent.total) / config.parallelism
    estimate = trials + _final_seconds(config, spec, progress, total)
    return estimate if limit is None else min(limit, estimate)


def _share(config: SearchConfig, progress: Progress) -> float | None:
    """The part of the trials that has ended, by the budget that is spent first; None without."""
    used = [
        spent / allowed
        for spent, allowed in (
            (progress.ended, config.budget.trials),
            (progress.epochs, config.budget.epochs),
        )
        if allowed
    ]
    return min(1.0, max(used)) if used and max(used) > 0 else None


def _final_seconds(
    config: SearchConfig, spec: DatasetSpec, progress: Progress, total: float
) -> float:
    """The seconds of training that the final fit still needs, at the speed of the best line.

    Networks differ in speed by an order of magnitude, so the mean of all trials would mislead.
    """
    spent = replace(progress.spent, total=total)
    chosen = final_hyperparameters(config, spec, elapsed=progress.elapsed, spent=spent)
    networks = max(1, config.training.ensemble or 1)
    line = progress.spent if progress.spent.in_lineage > 0 else None
    per_epoch = (
        line.in_lineage / max(1, line.epochs_in_lineage)
        if line
        else progress.spent.total / progress.epochs
    )
    return networks * per_epoch * max(0, chosen.epochs - progress.final_epochs)
