"""What is chosen for the data and the budget where the user chose nothing.

Notation
    n   training examples, validation split included
    S   seconds of the budget, from the start of the search to the exported network
    R   assumed speed of training in FLOPs per second; only bounds the size of architectures

The figures were measured on two CPU cores; `docs/log.md` has the measurements.
"""

from math import ceil

from core.contracts import Bounds, Budget, DatasetSpec, Hyperparameters, Optimiser, SearchConfig
from core.roots import roots

SEARCH_SHARE = 0.5  # of S; the rest is for the final fit
TRIALS_WISHED = 12  # in the search's share of S, one after the other
SHORTEST_TRIAL = 4.0  # seconds
END_SHARE, END_SECONDS = 0.02, 6.0  # of S and beside: test, export, starting the trainer

TRIAL_EXAMPLES = 40_000  # shown in one trial without a time limit
FINAL_EXAMPLES = 150_000  # shown in the final fit without one
TRIAL_EPOCHS = (3, 40)  # least and most
FINAL_EPOCHS = (12, 120)
TIMED_EPOCHS = 200  # most epochs where seconds limit the training

GROWTH = 8  # FLOPs of the largest architecture, in those of the first root
GROWTH_SECONDS = 1800.0  # budgets beyond this allow more in proportion
ASSUMED_SPEED = 1e11  # R
BACKWARD = 3  # a training step costs so many forward passes
WORTHWHILE_EPOCHS = 12  # of the final fit within its time

LABEL_SMOOTHING = 0.05
OPTIMISER = Optimiser.MUON
LEARNING_RATES = {"muon": 0.02, "adamw": 6e-3, "sgd": 0.15}
WEIGHT_DECAYS = {"muon": 0.2, "adamw": 0.05, "sgd": 5e-4}
WARMUP, DECAY = 0.05, 0.5  # shares of a training over which the rate rises, and falls
AVERAGING = 0.1  # the last share of the steps made, whose mean weights are validated and kept
INHERITED_RATE = 0.5  # of the learning rate, for weights that are trained already


def trials_deadline(config: SearchConfig) -> float | None:
    """Seconds after the start by which the last trial must have ended; None without a limit."""
    seconds = config.budget.seconds
    return None if seconds is None else SEARCH_SHARE * seconds


def default_bounds(spec: DatasetSpec, budget: Budget) -> Bounds:
    """Some times the size of the first root, and small enough for the time there is.

    Without a bound the surrogate, having seen that larger is better, asks for networks that take
    all the time. With seconds given, the final fit must be able to make enough epochs.
    """
    root = roots(spec, Bounds())[0]
    if budget.seconds is None:
        return Bounds(flops=GROWTH * root.flops)
    growth = GROWTH * max(1.0, budget.seconds / GROWTH_SECONDS)
    seconds = (1 - SEARCH_SHARE) * budget.seconds
    timely = ASSUMED_SPEED * seconds / (BACKWARD * WORTHWHILE_EPOCHS * spec.train_examples)
    return Bounds(flops=max(root.flops, int(min(timely, growth * root.flops))))


def bounds(config: SearchConfig, spec: DatasetSpec) -> Bounds:
    """The bounds of a search: those given, the others chosen; None as given is no bound."""
    chosen = default_bounds(spec, config.budget)
    if config.bounds is None:
        return chosen
    given = {name: getattr(config.bounds, name) for name in config.bounds.model_fields_set}
    return chosen.model_copy(update=given)


def trial_hyperparameters(
    config: SearchConfig, spec: DatasetSpec, *, elapsed: float, inherited: bool
) -> Hyperparameters:
    """How a trial is trained that starts `elapsed` seconds after its search."""
    training = config.training
    limit = _trial_seconds(config, elapsed)
    epochs = training.epochs or (
        TIMED_EPOCHS if limit is not None else _epochs(TRIAL_EXAMPLES, spec, TRIAL_EPOCHS)
    )
    rate = INHERITED_RATE if inherited else 1.0
    return _hyperparameters(config, spec, epochs, limit, rate)


def final_hyperparameters(
    config: SearchConfig, spec: DatasetSpec, *, elapsed: float
) -> Hyperparameters:
    """How the final fit is trained that starts `elapsed` seconds after its search."""
    training, seconds = config.training, config.budget.seconds
    if seconds is None:
        limit = None
        epochs = training.final_epochs or _epochs(FINAL_EXAMPLES, spec, FINAL_EPOCHS)
    else:
        end = max(END_SECONDS, END_SHARE * seconds)
        limit = max(SHORTEST_TRIAL, seconds - elapsed - end)
        epochs = training.final_epochs or TIMED_EPOCHS
    return _hyperparameters(config, spec, epochs, limit, 1.0).model_copy(update={"patience": None})


def _trial_seconds(config: SearchConfig, elapsed: float) -> float | None:
    """How long a trial may take: its share of the search's time, and not past its end."""
    deadline = trials_deadline(config)
    wished = config.training.trial_seconds
    if deadline is None:
        return wished
    if wished is None and config.training.epochs is None:
        wished = max(SHORTEST_TRIAL, deadline / TRIALS_WISHED)
    left = max(1.0, deadline - elapsed)
    return left if wished is None else min(wished, left)


def _epochs(examples: int, spec: DatasetSpec, limits: tuple[int, int]) -> int:
    least, most = limits
    return min(most, max(least, ceil(examples / spec.train_examples)))


def _hyperparameters(
    config: SearchConfig, spec: DatasetSpec, epochs: int, seconds: float | None, rate: float
) -> Hyperparameters:
    training = config.training
    optimiser = training.optimiser or OPTIMISER
    return Hyperparameters(
        epochs=epochs,
        max_seconds=seconds,
        batch_size=training.batch_size or _batch_size(spec),
        optimiser=optimiser,
        learning_rate=training.learning_rate or rate * LEARNING_RATES[optimiser],
        warmup=WARMUP,
        decay=DECAY,
        averaging=AVERAGING,
        weight_decay=_given(training.weight_decay, WEIGHT_DECAYS[optimiser]),
        label_smoothing=_given(training.label_smoothing, LABEL_SMOOTHING),
        augmentation=_augmentation(training.augmentation, spec),
        patience=training.patience,
        validation_fraction=training.validation_fraction,
        split_seed=config.seed,
        morph_noise=training.morph_noise,
        channels_last=len(spec.input_shape) == 3,
    )


def _given(value: float | None, default: float) -> float:
    return default if value is None else value


def _batch_size(spec: DatasetSpec) -> int:
    """Small enough for many steps on few examples, large enough to be quick on many."""
    return 32 if spec.train_examples < 5_000 else 64 if spec.train_examples < 20_000 else 128


def _augmentation(wished: str, spec: DatasetSpec) -> str:
    """Images are shifted; mirrored only where a mirrored example keeps its label."""
    if len(spec.input_shape) != 3:
        return "none"
    if wished == "auto":
        return "shift-flip" if spec.flip else "shift"
    return wished
