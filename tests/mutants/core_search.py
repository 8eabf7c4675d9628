"""Faults in the surrogate, the search, the data and the path of suggestions."""

from tests.mutants.mutant import Mutant

MUTANTS: tuple[Mutant, ...] = (
    Mutant(  # a final fit after short trials gives up its high rate at once
        file="core/search/trial_training.py",
        old="min(1.0, DECAY * (1 + before))",
        new="1.0",
        tests=("tests/core/search/test_trial_training.py",),
    ),
    Mutant(  # a race on many images takes the network that begins fast
        file="core/search/defaults.py",
        old="affordable.append(config.parallelism)",
        new="affordable.append(MOST_ROOTS)",
        tests=("tests/core/search/test_defaults.py",),
    ),
    Mutant(  # a root that begins alone is not trained on before its children
        file="core/search/defaults.py",
        old="return min(MOST_ROOTS, config.parallelism)",
        new="return 0",
        tests=("tests/core/search/test_tuning.py",),
    ),
    Mutant(  # a network that is far worse joins an ensemble
        file="core/search/ensembles.py",
        old="if is_near(one, ranked[0], times=MOST_ERRORS)",
        new="if one",
        tests=("tests/core/search/test_ensembles.py",),
    ),
    Mutant(  # a batch is chosen without fantasies: its members are next to each other
        file="core/search/acquisition.py",
        old="surrogate = surrogate.fantasize(points[index : index + 1])",
        new="surrogate = surrogate",
        tests=("tests/core/search/test_acquisition.py",),
    ),
    Mutant(  # a pending trial is believed as if it were trained to its end
        file="core/search/beliefs.py",
        old="surrogate.fantasize(points, np.array([trial.fidelity]))",
        new="surrogate.fantasize(points)",
        tests=("tests/core/search/test_bayesian.py",),
    ),
    Mutant(  # the difference of two values of one network is weighted by the later noise alone
        file="core/surrogate/gaussian_process.py",
        old="difference = self.features[row] - psi, 1 / (earlier + variance)",
        new="difference = self.features[row] - psi, 1 / variance",
        tests=("tests/core/surrogate/test_gaussian_process.py",),
    ),
    Mutant(  # the best observed value is not corrected for the noise of an early value
        file="core/surrogate/gaussian_process.py",
        old="np.where(rise < 0, rise * w[-1] + noise, 0.0)",
        new="np.where(rise < 0, rise * w[-1], 0.0)",
        tests=("tests/core/surrogate/test_gaussian_process.py",),
    ),
    Mutant(  # a failed minimisation is taken as it is
        file="core/surrogate/fitting.py",
        old="if not ends[0].success:",
        new="if False:",
        tests=("tests/core/surrogate/test_fitting.py",),
    ),
    Mutant(  # hyper-parameters are fitted to the best networks, too, which are no fair sample
        file="core/surrogate/fitting.py",
        old="for index in even}",
        new="for index in (*even, *best)}",
        tests=("tests/core/surrogate/test_fitting.py",),
    ),
    Mutant(  # a candidate that was remembered is taken for another one
        file="core/surrogate/kernels/abstract.py",
        old="chosen = [next(new) if index < 0 else index for index in indices]",
        new="chosen = [next(new) if index < 0 else 0 for index in indices]",
        tests=("tests/core/surrogate/kernels/test_abstract.py",),
    ),
    Mutant(  # a parent without weights is inherited from
        file="core/search/step.py",
        old="if suggestion.parent is None or suggestion.parent.inheritable:",
        new="if True:",
        tests=("tests/core/search/test_step.py", "tests/api/controller/test_suggestions.py"),
    ),
    Mutant(  # a child is trained under the usual choices, not under those of its parent
        file="core/search/history.py",
        old="choices=parent.choices,",
        new="choices=USUAL,",
        tests=("tests/core/search/test_history.py",),
    ),
    Mutant(  # the epochs left are not lessened by those already given away
        file="api/controller/suggestions.py",
        old="left -= chosen.epochs",
        new="left -= 0",
        tests=("tests/api/controller/test_suggestions.py",),
    ),
    Mutant(  # where seconds limit a training, its plan is not converted to its own pace
        file="api/controller/suggestions.py",
        old="return min(planned, max(epochs, in_time))",
        new="return planned",
        tests=("tests/api/store/test_live_searches.py",),
    ),
    Mutant(  # the gain of a child counts, not the median of gains, from the first child on
        file="core/search/halving.py",
        old="if len(gains) < FEWEST:",
        new="if not gains:",
        tests=("tests/core/search/test_halving.py",),
    ),
    Mutant(  # a final fit holds nothing out where the validation split is small
        file="core/data/splits.py",
        old="held = validation[chosen] if len(chosen) else validation[:1]",
        new="held = validation[chosen]",
        tests=("tests/core/data/test_splits.py",),
    ),
    Mutant(  # an array may unpack to more bytes than its packed size justifies
        file="core/data/files.py",
        old="one.file_size > limits.ratio * max(one.compress_size, 1)",
        new="one.file_size > 2 * limits.ratio * max(one.compress_size, 1)",
        tests=("tests/core/data/formats/test_npz.py",),
    ),
    Mutant(  # class names that differ only by a joiner are different classes
        file="core/data/labels.py",
        old="if visible in taken:",
        new="if clean in taken:",
        tests=("tests/core/data/test_labels.py",),
    ),
    Mutant(  # a class is split that has no example to test on beside those to train on
        file="core/data/division.py",
        old="counts.min() <= MIN_TRAIN_PER_CLASS",
        new="counts.min() < MIN_TRAIN_PER_CLASS",
        tests=("tests/core/data/test_intake.py", "tests/core/data/test_division.py"),
    ),
    Mutant(  # equal sides do not decide which axis holds the channels
        file="core/data/layouts.py",
        old="return channels <= _MAX_CHANNELS, height == width",
        new="return channels <= _MAX_CHANNELS, False",
        tests=("tests/core/data/test_layouts.py",),
    ),
    Mutant(  # a damaged file of a local folder is used
        file="core/protocol/storage.py",
        old="                    _check(blob, *self._size_and_hash(path, on_chunk))",
        new="                    self._size_and_hash(path, on_chunk)",
        tests=("tests/core/protocol/test_storage.py",),
    ),
    Mutant(
        file="core/tasks/metric.py",
        old="max(metric if self.larger_is_better else -metric, ",
        new="max(metric, ",
        tests=("tests/core/tasks/test_task.py",),
    ),
)
