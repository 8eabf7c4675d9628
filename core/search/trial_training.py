"""How a trial and the final fit are trained: for how long, and with which hyper-parameters."""

from dataclasses import dataclass
from math import ceil

from core.protocol.contracts.datasets import DatasetSpec
from core.protocol.contracts.hyperparameters import Hyperparameters
from core.protocol.contracts.search_config import SearchConfig
from core.protocol.contracts.training_choices import TrainingChoices
from core.search.defaults import passes_of_a_network
from core.search.halving import RUNG
from core.search.pace import (
    END_SECONDS,
    END_SHARE,
    FINAL_EPOCHS,
    FINAL_EXAMPLES,
    SHORTEST_TRIAL,
    TRIAL_EPOCHS,
    TRIAL_EXAMPLES,
    epochs_of,
    root_seconds,
    trials_deadline,
    usual_seconds,
)
from core.search.recipe import DECAY, FEW_EXAMPLES, hyperparameters, unaugmented
from core.search.splits import split_seeds

MOST_FINAL_EXAMPLES = 1_200_000
TIMED_EPOCHS = 1_000_000  # no limit, where seconds limit the training
#: Share of all training that the final fit is planned to bring into the exported network. The plan
#: takes its epochs to be as slow as those of trials, which are evaluated: the share ends near 0.6.
IN_WINNER = 0.66
TRIAL_DECAY, TRIAL_AVERAGING = 0.0, 0.2  # a trial is a piece of a training: the rate stays
#: Share of inherited weights that a final fit on few images starts from; the epochs of each network
#: that this takes at least, and how many times as long as the inherited training it must be.
INHERITED_SHARE, LEARNED_AGAIN, TIMES_BEFORE = 0.5, 25, 2.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """Training before a final fit, in seconds, and the epochs of the winner's lineage."""

    in_lineage: float  # of the trials whose weights the final fit inherits
    total: float  # of all trials of the search
    epochs_in_lineage: int  # of an ensemble the mean of its networks'

    def before(self, epochs: int, seconds: float | None) -> float:
        """The training that a final fit of this length inherits, in lengths of it.

        In seconds where these limit it, else in epochs.
        """
        if seconds is None:
            return self.epochs_in_lineage / epochs
        return self.in_lineage / seconds

    def final_epochs(self, share: float) -> int:
        """The epochs after which that share of all training is in the exported network."""
        if not self.in_lineage:
            return 0
        elsewhere = self.total - self.in_lineage
        missing = share / (1 - share) * elsewhere - self.in_lineage
        return ceil(missing * self.epochs_in_lineage / self.in_lineage)


def trial_hyperparameters(
    config: SearchConfig,
    spec: DatasetSpec,
    *,
    elapsed: float,
    inherited: bool,
    morphed: bool = False,
    in_race: bool = False,
    choices: TrainingChoices | None = None,
    slowness: float = 1.0,
) -> Hyperparameters:
    """The hyper-parameters of a trial that starts `elapsed` seconds after its search.

    One `in_race` is one of several roots that are compared after a short training. One that is
    not `morphed` from its parent may be repeated on several splits, which share its time.
    `slowness` is that of the search, see `defaults.slowness`.
    """
    training = config.training
    splits = 1 if morphed else 1 + len(split_seeds(config, spec))
    limit = _trial_seconds(config, spec, elapsed, in_race, splits)
    epochs = training.epochs or (
        TIMED_EPOCHS if limit is not None else epochs_of(TRIAL_EXAMPLES, spec, TRIAL_EPOCHS)
    )
    passes = passes_of_a_network(config, spec, slowness)
    return hyperparameters(config, spec, epochs, limit, passes, choices).model_copy(
        update={
            "rung": RUNG if inherited else 1.0,
            "decay": TRIAL_DECAY,
            "averaging": TRIAL_AVERAGING,
        }
    )


def final_hyperparameters(
    config: SearchConfig,
    spec: DatasetSpec,
    *,
    elapsed: float,
    inherited: bool = False,
    spent: Spent | None = None,
    choices: TrainingChoices | None = None,
    slowness: float = 1.0,
) -> Hyperparameters:
    """The hyper-parameters of a final fit that starts `elapsed` seconds after its search.

    Without a time limit it lasts until a share `IN_WINNER` of all training has gone into the
    exported network, given the training before it.
    """
    training, seconds = config.training, config.budget.seconds
    if seconds is None:
        limit = None
        least = epochs_of(FINAL_EXAMPLES, spec, FINAL_EPOCHS)
        missing = least if spent is None else spent.final_epochs(IN_WINNER)
        most = max(least, MOST_FINAL_EXAMPLES // spec.train_examples)
        epochs = training.final_epochs or min(most, max(least, missing))
    else:
        end = max(END_SECONDS, END_SHARE * seconds)
        limit = max(SHORTEST_TRIAL, seconds - elapsed - end)
        epochs = training.final_epochs or TIMED_EPOCHS
    passes = passes_of_a_network(config, spec, slowness)
    before = 0.0 if spent is None or not inherited else spent.before(epochs, limit)
    is_long = TIMES_BEFORE * before <= 1
    share = _inherited_share(config, spec, min(passes, epochs)) if inherited and is_long else 1.0
    decay = DECAY if share < 1 or not inherited else _decay_after(config, before)
    return hyperparameters(config, spec, epochs, limit, passes, choices).model_copy(
        update={
            "patience": None,
            "decay": decay,
            "unaugmented": unaugmented(passes),
            "inherited_share": share,
        }
    )


def _decay_after(config: SearchConfig, before: float) -> float:
    """The share of a final fit over which the rate falls: the second half of all training.

    `before` is the training of the inherited weights, in lengths of the final fit. How long the
    network of a user was trained is not known, so the rate falls from the beginning.
    """
    return 1.0 if config.root is not None else min(1.0, DECAY * (1 + before))


def _inherited_share(config: SearchConfig, spec: DatasetSpec, epochs: float) -> float:
    """The share of inherited weights that a final fit starts from; the rest is random.

    Trials see four fifths of the examples, and a network that has learned few of them by heart
    generalises worse when all follow (Ash & Adams 2020, arXiv:1910.08475). Where trials were long
    compared with the final fit, more would be lost. A network that a user gave may have learned
    from other data: it is kept.
    """
    is_few = len(spec.input_shape) == 3 and spec.train_examples < FEW_EXAMPLES
    return INHERITED_SHARE if is_few and config.root is None and epochs >= LEARNED_AGAIN else 1.0


def _trial_seconds(
    config: SearchConfig, spec: DatasetSpec, elapsed: float, in_race: bool, splits: int
) -> float | None:
    """The seconds that a trial may take: its share of the search's time, and not past its end."""
    deadline = trials_deadline(config)
    given = config.training.trial_seconds
    if deadline is None or config.budget.seconds is None:
        return given
    if given is None and config.training.epochs is None:
        given = root_seconds(config, spec) if in_race else usual_seconds(config, spec)
        given /= splits
    left = max(1.0, deadline - elapsed)
    return left if given is None else min(given, left)
