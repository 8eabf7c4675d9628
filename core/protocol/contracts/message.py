"""The two classes that every contract extends: a message, and a part of a configuration."""

from pydantic import BaseModel, ConfigDict


class Message(BaseModel):
    """A frozen message between controller and worker; unknown fields are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)


class Config(BaseModel):
    """A frozen part of a search's configuration, given by a user: unknown fields are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
