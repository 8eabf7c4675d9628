"""A worker's settings: environment variables with the prefix NETMORPH_."""

import os
import socket
import sys
import tempfile
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]  # seconds


def _trainer_command() -> tuple[str, ...]:
    return (sys.executable, "-P", "-m", "worker.trainer")


class Settings(BaseSettings):
    """Where the service is, and how this worker behaves."""

    model_config = SettingsConfigDict(env_prefix="NETMORPH_", extra="ignore", frozen=True)

    api_url: str = Field(pattern=r"^https?://")
    worker_key: SecretStr = Field(min_length=1)
    broker_url: str = Field(min_length=1)
    storage_url: str = Field(min_length=1)

    worker_name: str = Field(default_factory=socket.gethostname, min_length=1, max_length=128)
    device: Literal["auto", "cpu", "cuda"] = "auto"
    threads: int = Field(default_factory=lambda: os.cpu_count() or 1, ge=1)
    slot_dir: Path | None = None  # lock files, one for each GPU, shared by the workers of a host
    state_dir: Path | None = None  # keeps the worker's id across restarts
    cache_dir: Path = Path(tempfile.gettempdir()) / "netmorph-cache"

    heartbeat_seconds: Positive = 10.0
    poll_seconds: Positive = 5.0  # between two requests for work while idle
    hang_seconds: Positive = 120.0  # without progress, after which the trainer is killed
    stop_seconds: Positive = 15.0  # for the trainer to obey a stop, after which it is killed
    trials_per_trainer: int = Field(default=50, ge=1)
    trainer_command: tuple[str, ...] = Field(default_factory=_trainer_command, min_length=1)

    log_format: Literal["plain", "json"] = "plain"
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"

    @property
    def health_file(self) -> Path:
        """The file whose age says when the worker's loop last ran."""
        return (self.state_dir or self.cache_dir) / f"worker-{_file_name(self.worker_name)}.alive"


def _file_name(name: str) -> str:
    return "".join(letter if letter.isalnum() or letter in "._-" else "_" for letter in name)
