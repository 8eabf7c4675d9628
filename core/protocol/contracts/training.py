"""The training of trials, as a user configures it."""

from typing import Literal

from pydantic import Field

from core.protocol.contracts.message import Config
from core.protocol.explained_enum import ExplainedEnum

Augmentation = Literal["auto", "none", "shift", "shift-flip", "affine", "affine-flip", "warp"]
#: "balanced": an example counts in inverse proportion to the examples of its class.
ClassWeights = Literal["balanced"]


class Optimiser(ExplainedEnum):
    """An optimiser of the weights."""

    SGD = "sgd", "stochastic gradient descent with momentum"
    ADAMW = "adamw", "Adam with a decay of the weights that does not depend on the gradient"
    MUON = "muon", "for matrices and kernels; AdamW for the other parameters"


class Training(Config):
    """How trials are trained; omitted fields are chosen for the data and the budget."""

    epochs: int | None = Field(default=None, ge=1, le=10_000, description="epochs of one trial")
    final_epochs: int | None = Field(
        default=None, ge=1, le=10_000, description="epochs of the final fit"
    )
    final_weights: Literal["inherited", "fresh"] = Field(
        default="inherited",
        description="weights at the start of the final fit: `inherited` from the winner, or "
        "`fresh`, random ones",
    )
    trial_seconds: float | None = Field(
        default=None,
        ge=1,
        le=7 * 86_400,
        description="seconds after which the training of a trial ends",
    )
    batch_size: int | None = Field(default=None, ge=2, le=8192, description="examples in one step")
    optimiser: Optimiser | None = Field(default=None, description="optimiser of the weights")
    learning_rate: float | None = Field(
        default=None, gt=0, le=10, description="the peak of the schedule"
    )
    weight_decay: float | None = Field(default=None, ge=0, le=1, description="decay of the weights")
    augmentation: Augmentation = Field(
        default="auto",
        description="how training examples are changed at random; `auto`: chosen for the data; "
        "`none`: not at all; `shift`: images are moved; `affine`: they are also turned, sheared "
        "and scaled; `shift-flip` and `affine-flip`: they are mirrored, too; `warp`: signals are "
        "moved and stretched in time",
    )
    label_smoothing: float | None = Field(
        default=None, ge=0, lt=1, description="share of each label that is spread over all classes"
    )
    erasing: float | None = Field(
        default=None,
        ge=0,
        le=0.9,
        description="side of a square that is erased from each image, as a share of the image's "
        "side",
    )
    mixing: float | None = Field(
        default=None,
        ge=0,
        le=10,
        description="α of the Beta distribution by which pairs of examples are mixed; 0: they "
        "are not",
    )
    alternatives: int | None = Field(
        default=None, ge=0, le=8, description="training choices that the search tries; 0: none"
    )
    splits: int | None = Field(
        default=None,
        ge=1,
        le=5,
        description="validation splits on which the first trials are repeated",
    )
    split_seed: int | None = Field(
        default=None,
        ge=0,
        le=2**31 - 1,
        strict=True,
        description="seed of validation splits; null: that of the search",
    )
    patience: int | None = Field(
        default=None,
        ge=1,
        le=10_000,
        description="epochs without improvement after which a training ends",
    )
    validation_fraction: float | None = Field(
        default=None, ge=0.02, le=0.5, description="share of the training examples to validate on"
    )
    morph_noise: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="noise on arrays that morphisms changed, in shares of their range",
    )
    ensemble: int | None = Field(
        default=None, ge=1, le=8, strict=True, description="networks that are exported as one"
    )
    class_weights: ClassWeights | None = Field(
        default=None,
        description="weights of examples in the loss; `balanced`: in inverse proportion to the "
        "examples of their class; null: each counts equally",
    )
