"""The settings and arms of `benchmarks.recipe`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

Changes = Mapping[str, Any]  # of Hyperparameters


@dataclass(frozen=True, slots=True)
class Setting:
    """A data set, a network and a budget."""

    dataset: str
    train_examples: int | None  # None: all
    test_examples: int | None
    width: int  # filters of the first convolution
    seconds: float  # of one core
    batch_size: int
    network: str = ""  # kind of root (`core.graph.roots`); empty: a plain chain of `width`


@dataclass(frozen=True, slots=True)
class Arm:
    """A change of the base recipe."""

    group: str
    name: str
    changes: Changes = field(default_factory=dict)
    batch: float = 1.0  # factor on the setting's batch size
    constants: Mapping[str, Any] = field(default_factory=dict)  # of modules, by "module.NAME"
    #: Consecutive trainings: each one's share of the time and its changes of the arm's recipe.
    pieces: tuple[tuple[float, Changes], ...] = ((1.0, {}),)
    start: str = "he"  # or "identity", "whitening": see `benchmarks.recipe_starts`
    shrunk: float = 1.0  # factor on the weights between two pieces
    watched: tuple[float, ...] = ()  # shares of weight averages that are evaluated too


SETTINGS = {
    "fashion-1000": Setting("fashion-mnist", 1000, None, 16, 20.0, 32),
    "fashion": Setting("fashion-mnist", None, 5000, 16, 24.0, 128),
    "fashion-1000-long": Setting("fashion-mnist", 1000, None, 16, 60.0, 32),
    "fashion-long": Setting("fashion-mnist", None, 5000, 16, 90.0, 128),
    "digits": Setting("digits", None, None, 16, 10.0, 32),
}
#: Settings of several networks, which show whether two schedules rank the networks equally.
RANKED = {
    f"rank-{kind}": Setting("fashion-mnist", 1000, None, 16, 10.0, 32, kind)
    for kind in ("cnn", "vgg", "resnet", "densenet", "mobilenet", "mlp")
}
BASE: Changes = {
    "optimiser": "muon",
    "learning_rate": 0.02,
    "weight_decay": 0.05,
    "label_smoothing": 0.05,
    "augmentation": "shift-flip",
    "warmup": 0.1,
    "decay": 1.0,
}
_SHARES = (0.02, 0.05, 0.1, 0.2, 0.4)
_LEVEL = {"decay": 0.0, "averaging": 0.1, "warmup": 0.05}
_SCALE = "worker.trainer.training.optimisers.update_scale"
_NORM = "worker.layers.batch_norm._MOMENTUM"
_STEPS = "worker.trainer.training.optimisers.NEWTON_SCHULZ_STEPS"
_VECTORS = "worker.trainer.training.optimisers.VECTOR_RATE"
_BETA = "worker.trainer.training.optimisers._BETAS"


def _by_rms(out: int, inputs: int) -> float:
    """Entries of root mean square 0.2, as AdamW's (Liu et al. 2025, arXiv:2502.16982, eq. 4)."""
    return 0.2 * max(out, inputs) ** 0.5


def _by_norm(norm: float, out: int, inputs: int) -> float:
    """A spectral norm that depends only on the ratio of outputs to inputs."""
    return norm * max(1.0, out / inputs) ** 0.5


BASE_CONSTANTS: Mapping[str, Any] = {_SCALE: _by_rms}


def _in_pieces(last: float, decay: float, pieces: int = 3) -> tuple[tuple[float, Changes], ...]:
    """The pieces: trainings at a constant rate, then one with a falling rate."""
    level: list[tuple[float, Changes]] = [((1 - last) / pieces, _LEVEL)] * pieces
    return (*level, (last, {"decay": decay, "averaging": 0.05, "warmup": 0.02}))


def _optimisers() -> list[Arm]:
    group = "optimiser and rate"
    arms = [
        Arm(group, f"AdamW {rate:g}", {"optimiser": "adamw", "learning_rate": rate})
        for rate in (1e-3, 3e-3, 6e-3, 1.2e-2)
    ]
    sgd = {"optimiser": "sgd", "weight_decay": 5e-4}
    arms += [
        Arm(group, f"SGD {rate:g}", sgd | {"learning_rate": rate}) for rate in (0.05, 0.15, 0.4)
    ]
    arms += [
        Arm(group, f"Muon {rate:g}", {"learning_rate": rate})
        for rate in (2e-3, 5e-3, 1e-2, 4e-2, 8e-2)
    ]
    arms += [
        Arm(group, f"momentum {momentum:g}", {"momentum": momentum}) for momentum in (0.8, 0.95)
    ]
    return [
        *arms,
        Arm(group, "3 Newton-Schulz steps", constants={_STEPS: 3}),
        Arm(group, "5 Newton-Schulz steps", constants={_STEPS: 5}),
        Arm(group, "biases and scales 0.3 of the rate", constants={_VECTORS: 0.3}),
        Arm(group, "biases and scales 3 of the rate", constants={_VECTORS: 3.0}),
        Arm(group, "batch-norm momentum 0.3", constants={_NORM: 0.3}),
        Arm(group, "batch-norm momentum 0.03", constants={_NORM: 0.03}),
    ]


def _schedules() -> list[Arm]:
    group = "schedule and average"
    return [
        Arm(group, "constant rate", {"decay": 0.0}, watched=_SHARES),
        Arm(group, "falls over the last half", {"decay": 0.5}, watched=_SHARES),
        Arm(group, "falls over the last 0.2", {"decay": 0.2}, watched=_SHARES),
        Arm(group, "warm-up 0.02", {"warmup": 0.02}),
        Arm(group, "constant rate 0.01", {"decay": 0.0, "learning_rate": 0.01}, watched=_SHARES),
        Arm(group, "constant rate 0.04", {"decay": 0.0, "learning_rate": 0.04}, watched=_SHARES),
    ]


def _pieces() -> list[Arm]:
    group = "continuing"
    return [
        Arm(
            group, "level then fall over 0.4, at once",
            {"decay": 0.4, "averaging": 0.02, "warmup": 0.05},
        ),
        Arm(group, "3 pieces, then fall over all of the last 0.4", pieces=_in_pieces(0.4, 1.0)),
        Arm(group, "3 pieces, then fall over half of the last 0.4", pieces=_in_pieces(0.4, 0.5)),
        Arm(group, "3 pieces, then fall over the last 0.2", pieces=_in_pieces(0.2, 1.0)),
        Arm(group, "6 pieces, then fall over the last 0.4", pieces=_in_pieces(0.4, 1.0, 6)),
        Arm(
            group, "3 pieces at half the rate after the first, then fall over 0.4",
            pieces=(
                (0.2, _LEVEL),
                *((share, {**h, "learning_rate": 0.01}) for share, h in _in_pieces(0.4, 1.0)[1:]),
            ),
        ),
        Arm(
            group, "3 pieces, each begun from 0.8 of the weights, then fall over 0.4",
            pieces=_in_pieces(0.4, 1.0), shrunk=0.8,
        ),
    ]  # fmt: skip


def _regularisation() -> list[Arm]:
    group = "regularisation"
    arms = [
        Arm(group, f"weight decay {decay:g}", {"weight_decay": decay})
        for decay in (0.0, 0.01, 0.1, 0.2, 0.4)
    ]
    arms += [
        Arm(group, f"label smoothing {share:g}", {"label_smoothing": share})
        for share in (0.0, 0.1, 0.2)
    ]
    arms += [Arm(group, f"erasing {side:g}", {"erasing": side}) for side in (0.2, 0.3, 0.45)]
    shift = "worker.trainer.data.examples.SHIFT"
    arms += [
        Arm(group, f"shifts of {pixels} of 28 pixels", constants={shift: pixels / 28})
        for pixels in (1, 4)
    ]
    arms += [Arm(group, f"mixing {alpha:g}", {"mixing": alpha}) for alpha in (0.2, 1.0)]
    return [*arms, Arm(group, "no augmentation", {"augmentation": "none"})]


def _others() -> list[Arm]:
    return [
        *(
            Arm("batch size", f"batches of {times:g} the size", batch=times)
            for times in (0.25, 0.5, 2.0, 4.0, 8.0)
        ),
        Arm("start", "identity kernels", start="identity"),
        Arm("start", "whitening first kernels", start="whitening"),
    ]


def _together() -> list[Arm]:
    group = "together"
    kept = {"decay": 0.5, "averaging": 0.1, "warmup": 0.05, "weight_decay": 0.1}
    strong = {**kept, "weight_decay": 0.2}
    scaled = {_SCALE: partial(_by_norm, 2.0)}
    pieces = tuple(
        (share, {**changes, "weight_decay": 0.2}) for share, changes in _in_pieces(0.4, 1.0)
    )
    return [
        Arm(group, "decay 0.5, average 0.1, weight decay 0.1", kept),
        Arm(group, "the same, batches of half the size", kept, batch=0.5),
        Arm(group, "the same, weight decay 0.2", strong),
        Arm(group, "the same, weight decay 0.2, erasing 0.3", {**strong, "erasing": 0.3}),
        Arm(group, "the same, spectral norm 2", kept, constants=scaled),
        Arm(group, "the same, weight decay 0.2, spectral norm 2", strong, constants=scaled),
        Arm(
            group, "3 pieces, weight decay 0.2, spectral norm 2, then fall over 0.4",
            constants=scaled, pieces=pieces,
        ),
    ]  # fmt: skip


def _scales() -> list[Arm]:
    group = "scale of Muon's updates"
    level = {"decay": 0.0}
    arms = []
    for norm in (1.5, 2.0, 3.0):
        name, changed = f"spectral norm {norm:g}", {_SCALE: partial(_by_norm, norm)}
        arms += [
            Arm(group, name, constants=changed),
            Arm(group, f"{name}, constant rate", level, 1, changed, watched=_SHARES),
        ]
    adamw = {"optimiser": "adamw", "learning_rate": 6e-3} | level
    return [*arms, Arm(group, "AdamW 0.006, constant rate", adamw, watched=_SHARES)]


def _all() -> list[Arm]:
    return [
        Arm("base", "base"),
        *_optimisers(), *_scales(), *_schedules(), *_pieces(), *_others(), *_regularisation(),
        *_together(),
    ]  # fmt: skip


ARMS = {arm.name: arm for arm in _all()}
