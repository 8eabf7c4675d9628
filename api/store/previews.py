"""What a search would be, without creating it."""

from sqlalchemy.orm import Session

from api.models.datasets import Dataset
from api.schemas.new_searches import RootOut, SearchIn, SearchPreview
from api.store import live_workers, new_searches
from api.store.keys import Caller
from core.graph.architecture import Architecture
from core.graph.speed import PRIOR_SPEED
from core.protocol.contracts.datasets import DatasetSpec
from core.protocol.contracts.search_config import SearchConfig
from core.search import defaults, trial_training


def preview(
    session: Session, caller: Caller, body: SearchIn, dataset: Dataset, most_live: int | None
) -> SearchPreview:
    """The roots, the bounds and the expected times of a search; raises what creating it would."""
    checked = new_searches.check(session, caller, body, dataset, most_live)
    config, spec = checked.config, checked.spec
    roots = defaults.race_roots(config, spec, checked.bounds, checked.root)
    return SearchPreview(
        dataset_id=dataset.id,
        task=config.task,
        bounds=checked.bounds,
        roots=[_root(one, config, spec, in_race=len(roots) > 1) for one in roots],
        trial_seconds=_seconds(roots[0], config, spec),
        workers=live_workers.count_taking_trials(session),
    )


def _root(
    architecture: Architecture, config: SearchConfig, spec: DatasetSpec, *, in_race: bool
) -> RootOut:
    return RootOut(
        layers=len(architecture.nodes),
        parameters=architecture.parameters,
        flops=architecture.flops,
        seconds=_seconds(architecture, config, spec, in_race=in_race),
    )


def _seconds(
    architecture: Architecture, config: SearchConfig, spec: DatasetSpec, *, in_race: bool = False
) -> float:
    """The expected seconds of training of a trial, on one usual thread."""
    chosen = trial_training.trial_hyperparameters(
        config, spec, elapsed=0.0, inherited=False, in_race=in_race
    )
    examples = spec.train_examples * (1 - chosen.validation_fraction)
    seconds = chosen.epochs * examples * PRIOR_SPEED.seconds(architecture)
    return seconds if chosen.max_seconds is None else min(seconds, chosen.max_seconds)
