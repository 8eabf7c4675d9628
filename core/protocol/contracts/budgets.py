"""The budget of a search: trials, epochs and seconds."""

from typing import Annotated

from pydantic import Field, model_validator

from core.protocol.contracts.message import Config

TrialLimit = Annotated[
    int | None,
    Field(ge=1, le=100_000, strict=True, description="trials in all, without the final fit"),
]
EpochLimit = Annotated[
    int | None,
    Field(ge=1, le=10_000_000, strict=True, description="epochs of all trials together"),
]
SecondsLimit = Annotated[
    float | None,
    Field(
        ge=10,
        le=30 * 86_400,
        description="seconds since the search started, the final fit included",
    ),
]


class Budget(Config):
    """What a search may spend; it ends when the first of these is used up."""

    trials: TrialLimit = None
    epochs: EpochLimit = None
    seconds: SecondsLimit = None

    @model_validator(mode="after")
    def _one_is_given(self) -> "Budget":
        if self.trials is None and self.epochs is None and self.seconds is None:
            raise ValueError("a budget needs at least one of trials, epochs, seconds")
        return self
