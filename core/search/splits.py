"""The validation splits of a search: one, or several where there are few examples."""

from core.errors import InvalidInput
from core.protocol.contracts.datasets import DatasetSpec, SplitKind
from core.protocol.contracts.search_config import SearchConfig
from core.search.pace import LEAST_SECONDS, passes_in_time, root_seconds
from core.search.recipe import first_split_seed
from core.search.strategies import STRATEGIES

SPLITS, REPEATED_BELOW = 3, 500  # validation splits, where there are fewer examples
PASSES_OF_REPEATED = 500  # epochs of the exported network, at least


def check_splits(config: SearchConfig, spec: DatasetSpec) -> None:
    """Raise InvalidInput for training settings that contradict the data set's own splits."""
    training = config.training
    if _is_fixed(spec) and (training.splits or 1) > 1:
        raise InvalidInput(
            f"training.splits is {training.splits}; expected 1 or nothing: the data set has one "
            "validation split, given in its files or the latest examples"
        )
    is_given = spec.split is not None and spec.split.validation is SplitKind.GIVEN
    if is_given and training.validation_fraction is not None:
        raise InvalidInput(
            f"training.validation_fraction is {training.validation_fraction}; expected nothing: "
            "the data set has a validation split of its own"
        )


def split_seeds(config: SearchConfig, spec: DatasetSpec) -> tuple[int, ...]:
    """The seeds of the further validation splits on which the first trials are repeated.

    None where the examples suffice to judge by one split, there is only one by the data set, or
    the budget does not allow repeats.
    """
    count = config.training.splits or _usual_splits(config, spec)
    if not STRATEGIES[config.strategy].inherits or _is_fixed(spec):
        count = 1
    return tuple(first_split_seed(config) + number for number in range(1, count))


def _usual_splits(config: SearchConfig, spec: DatasetSpec) -> int:
    # Not by the measured speed: a repeat has its trial's number from the beginning.
    often = passes_in_time(config, spec) >= PASSES_OF_REPEATED
    if config.budget.seconds is None or config.budget.trials is not None:
        return 1
    is_long = root_seconds(config, spec) >= SPLITS * LEAST_SECONDS
    return SPLITS if is_long and often and spec.train_examples < REPEATED_BELOW else 1


def _is_fixed(spec: DatasetSpec) -> bool:
    """Whether all validation splits are the same: a given one, or the latest examples."""
    return spec.split is not None and spec.split.validation in (SplitKind.GIVEN, SplitKind.TIME)
