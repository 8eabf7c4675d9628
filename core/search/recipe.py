"""The recipe of a training: what is chosen for the data where the user chose nothing.

`docs/results/training.md` has what each ingredient is worth.
"""

from core.data.augmentation import can_augment
from core.protocol.contracts.datasets import DatasetSpec, SplitKind
from core.protocol.contracts.hyperparameters import Hyperparameters
from core.protocol.contracts.search_config import SearchConfig
from core.protocol.contracts.training import Optimiser
from core.protocol.contracts.training_choices import TrainingChoices
from core.tasks import TASKS

VALIDATION, LEAST_VALIDATION, MOST_VALIDATION = 0.2, 0.02, 0.4
FEWEST_VALIDATION_EXAMPLES, VALIDATION_EXAMPLES = 60, 5_000
AUGMENTED_EPOCHS = 3  # of the exported network; with fewer nothing is augmented
FEW_EXAMPLES, ERASING, MIXING = 5_000, 0.0, 0.2
OFTEN, MIXING_OFTEN = 250, 1.0  # from this many passes on images are mixed by this α
OPTIMISER = Optimiser.MUON
LABEL_SMOOTHING = 0.05
LEARNING_RATES = {"muon": 0.02, "adamw": 6e-3, "sgd": 0.15}
WEIGHT_DECAYS = {"muon": 0.2, "adamw": 0.05, "sgd": 5e-4}  # at most
REMEMBERED_EPOCHS = 6.0  # over whose updates the weights are an average, at least
DECAY_OF_FEW_VECTORS = 10.0  # in usual weight decays, for regression
OTHER_DECAYS_OF_FEW_VECTORS = (0.1, 2.0)  # that a search tries, in the one above
WARMUP, DECAY = 0.05, 0.5  # shares of a training over which the rate rises, and falls
STRONGER_ERASING, STRONGER_DECAY = 0.3, 4.0  # of a side; in usual weight decays
#: The last share of a final fit, in which examples stay as they are, and its epochs at most.
UNAUGMENTED, UNAUGMENTED_EPOCHS = 0.3, 6
AVERAGING = 0.1  # the last share of the steps made, whose mean weights are validated and kept


def hyperparameters(
    config: SearchConfig,
    spec: DatasetSpec,
    epochs: int,
    seconds: float | None,
    passes: float,
    choices: TrainingChoices | None = None,
) -> Hyperparameters:
    """The hyper-parameters of a training that is limited to these epochs and seconds.

    `passes` is about the number of epochs that each exported network will have had in the end;
    `choices` are the changes that the search has made.
    """
    training, choices = config.training, choices or TrainingChoices()
    optimiser = training.optimiser or OPTIMISER
    batch_size = batch_size_of(config, spec)
    learning_rate = training.learning_rate or LEARNING_RATES[optimiser]
    usual_decay = _weight_decay(optimiser, learning_rate, spec.train_examples / batch_size)
    return Hyperparameters(
        epochs=epochs,
        max_seconds=seconds,
        batch_size=batch_size,
        optimiser=optimiser,
        learning_rate=learning_rate,
        warmup=WARMUP,
        decay=DECAY,
        averaging=AVERAGING,
        weight_decay=_given(training.weight_decay, _decay_factor(config, spec) * usual_decay),
        label_smoothing=_given(training.label_smoothing, _label_smoothing(config)),
        augmentation=_augmentation(config, spec, passes),
        erasing=_of_values(spec, _given(training.erasing, _of_few(ERASING, spec))),
        mixing=_of_values(spec, _given(training.mixing, _mixing(config, spec, passes))),
        patience=training.patience,
        validation_fraction=_given(training.validation_fraction, _validation_fraction(spec)),
        split_seed=first_split_seed(config),
        morph_noise=training.morph_noise,
        channels_last=len(spec.input_shape) == 3,
        class_weights=training.class_weights,
    ).model_copy(update=choices.changes)


def unaugmented(passes: float) -> float:
    """The last share of a final fit without augmentation, so that it ends on examples as they come.

    A few epochs suffice (He et al. 2019, "Data Augmentation Revisited", arXiv:1909.09148); many
    would memorise few examples.
    """
    return min(UNAUGMENTED, UNAUGMENTED_EPOCHS / passes)


def alternatives(
    config: SearchConfig, spec: DatasetSpec, passes: float
) -> tuple[TrainingChoices, ...]:
    """Changes of one choice each that a search may try, the most promising first.

    The user's choices are kept. Nearly every alternative makes memorising harder: a short training
    favours what makes it easier, so an alternative of that kind would win where it should not. Few
    vectors are seen so often within a trial that a much weaker weight decay shows its harm there.
    """
    training = config.training
    usual = hyperparameters(config, spec, 1, None, passes)
    if spec.text is not None:  # token numbers cannot be moved, mixed or erased
        return _other_decays(config, usual, STRONGER_DECAY)
    is_large, is_image = can_augment(spec.input_shape), len(spec.input_shape) == 3
    found: list[TrainingChoices] = []
    if not _predicts_classes(config):  # to be moved, mixed or erased changes a number
        is_strong = _decay_factor(config, spec) > 1
        factors = OTHER_DECAYS_OF_FEW_VECTORS if is_strong else (STRONGER_DECAY,)
        return _other_decays(config, usual, *factors)
    if training.augmentation == "auto" and is_large:
        images = "affine-flip" if spec.flip else "affine"
        found.append(TrainingChoices(augmentation=images if is_image else "warp"))
    if training.mixing is None and usual.mixing < MIXING_OFTEN:
        found.append(TrainingChoices(mixing=MIXING_OFTEN if usual.mixing else MIXING))
    if training.erasing is None and is_large:
        found.append(TrainingChoices(erasing=STRONGER_ERASING))
    return (*found, *_other_decays(config, usual, STRONGER_DECAY))


def _other_decays(
    config: SearchConfig, usual: Hyperparameters, *factors: float
) -> tuple[TrainingChoices, ...]:
    """Weight decays in the usual one; none where the user has chosen it."""
    if config.training.weight_decay is not None:
        return ()
    return tuple(TrainingChoices(weight_decay=one * usual.weight_decay) for one in factors)


def _weight_decay(optimiser: Optimiser, learning_rate: float, epoch_steps: float) -> float:
    """The usual weight decay, or less where the weights would forget an epoch within it.

    With a decoupled weight decay λ and a rate η the weights are an average of the last 1 / (η λ)
    updates. The best number is about constant in epochs (Wang & Aitchison 2024, "How to set AdamW's
    weight decay as you scale model and dataset size", arXiv:2405.13698), so a large data set needs
    less decay. That of SGD is not decoupled.
    """
    usual = WEIGHT_DECAYS[optimiser]
    if optimiser is Optimiser.SGD:
        return usual
    return min(usual, 1 / (learning_rate * REMEMBERED_EPOCHS * max(1.0, epoch_steps)))


def _decay_factor(config: SearchConfig, spec: DatasetSpec) -> float:
    """The weight decay in usual ones: numbers of few vectors have nothing else against memorising.

    Measured on 350 and 480 examples: docs/log.md.
    """
    is_vector = len(spec.input_shape) == 1 and not _predicts_classes(config)
    return _of_few(DECAY_OF_FEW_VECTORS, spec) or 1.0 if is_vector else 1.0


def _predicts_classes(config: SearchConfig) -> bool:
    return TASKS[config.task].predicts_classes


def first_split_seed(config: SearchConfig) -> int:
    """The seed of the validation split of all trials that are not repeats."""
    seed = config.training.split_seed
    return config.seed if seed is None else seed


def _of_values(spec: DatasetSpec, amount: float) -> float:
    """The amount by which examples are changed; none of texts, whose numbers name tokens."""
    return 0.0 if spec.text is not None else amount


def _given(value: float | None, default: float) -> float:
    return default if value is None else value


def _validation_fraction(spec: DatasetSpec) -> float:
    """A fifth, or less where that makes the noise of values small enough: more would cost time.

    A larger share of few examples, as a choice by a handful of them is chance; the final fit
    trains on them, too. A given validation split has the share that it has.
    """
    n = spec.train_examples
    if spec.split is not None and spec.split.validation is SplitKind.GIVEN:
        return spec.split.validation_examples / n
    least = max(VALIDATION, min(MOST_VALIDATION, FEWEST_VALIDATION_EXAMPLES / n))
    return max(LEAST_VALIDATION, min(least, VALIDATION_EXAMPLES / n))


def _of_few(value: float, spec: DatasetSpec) -> float:
    """The value for few examples, which are seen very often; 0 for many examples."""
    return value if spec.train_examples < FEW_EXAMPLES else 0.0


def _label_smoothing(config: SearchConfig) -> float:
    return LABEL_SMOOTHING if _predicts_classes(config) else 0.0


def _mixing(config: SearchConfig, spec: DatasetSpec, passes: float) -> float:
    """More for images that are seen so often that even mixed ones could be memorised.

    None where numbers are predicted: those between two examples need not be between theirs.
    """
    if not _predicts_classes(config):
        return 0.0
    often = len(spec.input_shape) == 3 and passes >= OFTEN
    return _of_few(MIXING_OFTEN if often else MIXING, spec)


def batch_size_of(config: SearchConfig, spec: DatasetSpec) -> int:
    """The batch size of all trainings of a search: the user's, or one that suits the data.

    That is small enough for many steps on few examples, and large enough to be quick on many.
    """
    if config.training.batch_size is not None:
        return config.training.batch_size
    return 32 if spec.train_examples < 5_000 else 64 if spec.train_examples < 20_000 else 128


def _augmentation(config: SearchConfig, spec: DatasetSpec, passes: float) -> str:
    """Images are shifted unless they are small; mirrored only where they keep their labels.

    None where numbers are predicted, which may be a position or a size, and none where most are
    seen only once or twice: nothing can be memorised there.
    """
    given, kind = config.training.augmentation, len(spec.input_shape)
    if spec.text is not None:
        return "none"
    if given != "auto":
        suits = given == "warp" if kind == 2 else kind == 3 and given != "warp"
        return given if suits else "none"
    if kind != 3 or passes < AUGMENTED_EPOCHS or not _predicts_classes(config):
        return "none"
    if not can_augment(spec.input_shape):
        return "flip" if spec.flip else "none"
    return "shift-flip" if spec.flip else "shift"
