"""A worker's settings: environment variables with the prefix NETMORPH_."""

import os
import socket
import sys
import tempfile
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr
from pydantic_settings import SettingsConfigDict

from core.protocol.file_settings import AbstractSettings

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]  # seconds


def _trainer_command() -> tuple[str, ...]:
    return (sys.executable, "-P", "-m", "worker.trainer")


class Settings(AbstractSettings):
    """Where the service is, and how this worker behaves."""

    model_config = SettingsConfigDict(
        env_prefix="NETMORPH_", env_ignore_empty=True, frozen=True, extra="ignore"
    )

    api_url: str = Field(pattern=r"^https?://")  # address of the service
    worker_key: SecretStr = Field(min_length=1)  # the workers' key, as for the API process
    broker_url: str = Field(min_length=1)  # as for the API process
    storage_url: str = Field(min_length=1)  # as for the API process

    #: name shown to people; by default the host's
    worker_name: str = Field(default_factory=socket.gethostname, min_length=1, max_length=128)
    device: Literal["auto", "cpu", "cuda"] = "auto"  # `auto` takes a GPU where there is one
    #: of products in training: `auto` is what the trainer measures to be fastest when it starts;
    #: `fp32` is the same on each worker, for results that can be repeated
    precision: Literal["auto", "fp32"] = "auto"
    #: CPU threads of the trainer; by default one a core
    threads: int = Field(default_factory=lambda: os.cpu_count() or 1, ge=1)
    slot_dir: Path | None = None  # folder of lock files, one a GPU, shared by a host's workers
    state_dir: Path | None = None  # folder that keeps the worker's id across restarts
    #: folder for copies of data sets and weights; by default among the temporary files
    cache_dir: Path = Path(tempfile.gettempdir()) / "netmorph-cache"

    heartbeat_seconds: Positive = 10.0  # seconds between two heartbeats, at most
    poll_seconds: Positive = 5.0  # seconds between two requests for work while idle
    hang_seconds: Positive = 120.0  # seconds without progress before the trainer is killed
    #: seconds to obey a stop before the trainer is killed; a final fit has NETMORPH_HANG_SECONDS
    stop_seconds: Positive = 15.0
    #: seconds to deliver the last reports, or hand the trial back, once the worker shuts down
    last_report_seconds: Positive = 8.0
    trials_per_trainer: int = Field(default=50, ge=1)  # trials before the trainer is replaced
    #: command of the trainer as a JSON list; by default this Python with `-m worker.trainer`
    trainer_command: tuple[str, ...] = Field(default_factory=_trainer_command, min_length=1)

    log_format: Literal["plain", "json"] = "plain"  # format of log lines
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"  # lowest level that is logged

    @property
    def health_file(self) -> Path:
        """The file whose age tells whether the worker's loop still turns."""
        return (self.state_dir or self.cache_dir) / f"worker-{_file_name(self.worker_name)}.alive"


def _file_name(name: str) -> str:
    return "".join(letter if letter.isalnum() or letter in "._-" else "_" for letter in name)
