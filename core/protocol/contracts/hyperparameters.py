"""The hyperparameters of one trial, as the controller decides them."""

from pydantic import Field

from core.protocol.contracts.fields import Finite, Seconds
from core.protocol.contracts.message import Message
from core.protocol.contracts.training import Optimiser


class Hyperparameters(Message):
    """How one trial is trained: decided by the controller, obeyed by the worker."""

    epochs: int = Field(ge=1, description="most epochs")
    max_seconds: Seconds | None = Field(
        default=None, description="seconds after which the schedule ends, whatever the epochs"
    )
    batch_size: int = Field(default=64, description="examples in one step")
    optimiser: Optimiser = Field(default=Optimiser.ADAMW, description="optimiser of the weights")
    learning_rate: Finite = Field(default=1e-3, description="the peak of the schedule")
    weight_decay: Finite = Field(default=0.05, description="decay of the weights")
    momentum: Finite = Field(default=0.9, description="momentum of the optimiser")
    warmup: Finite = Field(
        default=0.1, description="share of the schedule over which the learning rate rises"
    )
    decay: Finite = Field(
        default=1.0,
        description="last share of the schedule, over which the rate falls; 0: it stays",
    )
    averaging: Finite = Field(
        default=0.0, description="last share of the steps over which weights are averaged; 0: none"
    )
    mixing: Finite = Field(
        default=0.0, description="α of the Beta distribution of mixing weights; 0: not mixed"
    )
    erasing: Finite = Field(
        default=0.0, description="side of a square erased from each image, as a share of its side"
    )
    unaugmented: Finite = Field(
        default=0.0, description="last share of the schedule, in which examples stay as they are"
    )
    label_smoothing: Finite = Field(
        default=0.0, description="share of each label that is spread over all classes"
    )
    augmentation: str = Field(
        default="none", description="name of the augmentation, such as `shift-flip`"
    )
    patience: int | None = Field(
        default=None,
        description="epochs without improvement before an early stop; null: no early stop",
    )
    rung: Finite = Field(
        default=1.0, description="share of the training after which it is compared with others"
    )
    least_at_rung: Finite | None = Field(
        default=None,
        description="metric below which the training ends there; null: it does not end there",
    )
    validation_fraction: Finite = Field(
        default=0.2, description="share of the training examples to validate on"
    )
    split_seed: int = Field(
        default=0, description="seed of the validation split: one for all trials of a search"
    )
    morph_noise: Finite = Field(
        default=0.0, description="noise on arrays that morphisms changed, in shares of their range"
    )
    inherited_share: Finite = Field(
        default=1.0,
        description="share of inherited weights at the start of a training, the rest is random",
    )
    channels_last: bool = Field(
        default=True, description="whether arrays have the channels as their last axis in memory"
    )
    class_weights: str | None = Field(
        default=None, description="weights of examples in the loss: `balanced`, or null"
    )
