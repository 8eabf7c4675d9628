"""The changes that a search makes to the training of a lineage."""

from pydantic import Field

from core.protocol.contracts.fields import Finite
from core.protocol.contracts.message import Message


class TrainingChoices(Message):
    """Changes by a search to the training of a lineage; None: as chosen for the data."""

    augmentation: str | None = Field(default=None, description="name of the augmentation")
    mixing: Finite | None = Field(
        default=None, description="α of the Beta distribution of mixing weights"
    )
    erasing: Finite | None = Field(
        default=None, description="side of the erased square, as a share of the image's side"
    )
    weight_decay: Finite | None = Field(default=None, description="decay of the weights")
    split_seed: int | None = Field(
        default=None, description="of a repeated trial: seed of its validation split"
    )

    @property
    def changes(self) -> dict[str, str | float]:
        """The changed hyperparameters by name."""
        return self.model_dump(exclude_none=True)

    def with_changes(self, other: "TrainingChoices") -> "TrainingChoices":
        """Both changes; the other's where both change the same hyperparameter."""
        return self.model_copy(update=other.changes)

    def __str__(self) -> str:
        words = {"split_seed": "another validation split, seed"}
        return ", ".join(
            f"{words.get(name, name.replace('_', ' '))} {_rounded(value)}"
            for name, value in self.changes.items()
        )


def _rounded(value: str | float) -> str | float:
    """A number to three digits, for people."""
    return float(f"{value:.3g}") if isinstance(value, float) else value
