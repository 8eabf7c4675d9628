"""The recipe of a training: what is chosen for the data where the user chose nothing.

`docs/results/training.md` has what each ingredient is worth.
"""

from core.contracts import DatasetSpec, Hyperparameters, Optimiser, SearchConfig

VALIDATION, LEAST_VALIDATION, VALIDATION_EXAMPLES = 0.2, 0.02, 5_000
AUGMENTED_EPOCHS = 3  # fewer of the exported network are not augmented
FEW_EXAMPLES, ERASING, MIXING = 5_000, 0.0, 0.2
OPTIMISER = Optimiser.MUON
LABEL_SMOOTHING = 0.05
LEARNING_RATES = {"muon": 0.02, "adamw": 6e-3, "sgd": 0.15}
WEIGHT_DECAYS = {"muon": 0.2, "adamw": 0.05, "sgd": 5e-4}
WARMUP, DECAY = 0.05, 0.5  # shares of a whole training over which the rate rises, and falls
AVERAGING = 0.1  # the last share of the steps made, whose mean weights are validated and kept


def hyperparameters(
    config: SearchConfig, spec: DatasetSpec, epochs: int, seconds: float | None, passes: float
) -> Hyperparameters:
    """How a network is trained that is limited to these epochs and seconds.

    `passes` are about the epochs that the exported network will have seen in the end.
    """
    training = config.training
    optimiser = training.optimiser or OPTIMISER
    return Hyperparameters(
        epochs=epochs,
        max_seconds=seconds,
        batch_size=training.batch_size or _batch_size(spec),
        optimiser=optimiser,
        learning_rate=training.learning_rate or LEARNING_RATES[optimiser],
        warmup=WARMUP,
        decay=DECAY,
        averaging=AVERAGING,
        weight_decay=_given(training.weight_decay, WEIGHT_DECAYS[optimiser]),
        label_smoothing=_given(training.label_smoothing, LABEL_SMOOTHING),
        augmentation=_augmentation(config, spec, passes),
        erasing=_given(training.erasing, _of_few(ERASING, spec)),
        mixing=_given(training.mixing, _of_few(MIXING, spec)),
        patience=training.patience,
        validation_fraction=_given(training.validation_fraction, _validation_fraction(spec)),
        split_seed=config.seed,
        morph_noise=training.morph_noise,
        channels_last=len(spec.input_shape) == 3,
    )


def _given(value: float | None, default: float) -> float:
    return default if value is None else value


def _validation_fraction(spec: DatasetSpec) -> float:
    """A fifth, or what makes the noise of values small enough: more would only cost time."""
    return max(LEAST_VALIDATION, min(VALIDATION, VALIDATION_EXAMPLES / spec.train_examples))


def _of_few(value: float, spec: DatasetSpec) -> float:
    """What hinders learning by heart: for data sets that are seen very many times."""
    return value if spec.train_examples < FEW_EXAMPLES else 0.0


def _batch_size(spec: DatasetSpec) -> int:
    """Small enough for many steps on few examples, large enough to be quick on many."""
    return 32 if spec.train_examples < 5_000 else 64 if spec.train_examples < 20_000 else 128


def _augmentation(config: SearchConfig, spec: DatasetSpec, passes: float) -> str:
    """Images are shifted; mirrored only where a mirrored example keeps its label.

    Not where most are seen only once or twice: there nothing can be learned by heart.
    """
    given = config.training.augmentation
    if len(spec.input_shape) != 3:
        return "none"
    if given != "auto":
        return given
    if passes < AUGMENTED_EPOCHS:
        return "none"
    return "shift-flip" if spec.flip else "shift"
