"""The settings of the API process, read from the environment (prefix `NETMORPH_`)."""

import os
from typing import Annotated, Literal

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import (
    NoDecode,
    SettingsConfigDict,
)

from core.protocol.file_settings import AbstractSettings

PositiveSeconds = Annotated[float, Field(gt=0, le=86_400, allow_inf_nan=False)]


class DatabaseSettings(AbstractSettings):
    """The settings that a migration needs."""

    model_config = SettingsConfigDict(
        env_prefix="NETMORPH_", env_ignore_empty=True, frozen=True, extra="ignore"
    )

    database_url: str = Field(default=...)  # `postgresql://user:password@host:5432/name`

    @field_validator("database_url")
    @classmethod
    def _names_the_driver(cls, value: str) -> str:
        """The address with its driver, as SQLAlchemy expects it."""
        scheme, separator, rest = value.partition("://")
        if scheme not in {"postgresql", "postgres", "postgresql+psycopg"} or not separator:
            raise ValueError(f"expected an address postgresql://…, found scheme {scheme!r}")
        return f"postgresql+psycopg://{rest}"


class Settings(DatabaseSettings):
    """All settings of the API process; they never change while the process lives."""

    broker_url: str = Field(default=...)  # `redis://:password@host:6379/0`
    storage_url: str = Field(default=...)  # `file:///folder` or `s3://bucket/prefix`
    admin_key: SecretStr = SecretStr("")  # the first administrator's key, created at the start
    worker_key: SecretStr = SecretStr("")  # the workers' key, created at the start
    #: seconds without a heartbeat after which another worker may take a trial over
    lease_seconds: PositiveSeconds = 30.0
    #: seconds between two stored checkpoints of a training, at least
    checkpoint_seconds: PositiveSeconds = 30.0
    reconcile_seconds: PositiveSeconds = 2.0  # seconds between two rounds of the controller
    #: seconds after which another API process takes over from a silent controller
    leader_seconds: PositiveSeconds = 10.0
    #: seconds for which blobs of deleted searches stay, as equal ones may be about to be reported
    discard_seconds: PositiveSeconds = 3600.0
    #: seconds for which a search waits for a data set that storage has lost; then it fails
    lost_data_seconds: PositiveSeconds = 3600.0
    #: best trials of an ended search that keep their weights; by default all do
    keep_best: int | None = Field(default=None, ge=1)
    #: seconds after its last writing for which a file stays to which nothing refers
    orphan_seconds: float = Field(default=604_800.0, ge=60, le=365 * 86_400)
    max_attempts: int = Field(default=3, ge=1, le=100)  # attempts to train one trial
    max_upload_bytes: int = Field(default=512 * 2**20, ge=1)  # largest upload, in bytes
    owner_bytes: int = Field(default=20 * 2**30, ge=0)  # data sets of one user, in bytes
    owner_searches: int = Field(default=200, ge=0)  # searches of one user that have not ended
    owner_trials: int = Field(default=1024, ge=1)  # trials of one user in flight; also exports
    owner_webhooks: int = Field(default=10, ge=0)  # webhooks of one user
    #: send webhooks also to private addresses and to this machine; never to link-local ones
    webhook_private_networks: bool = False
    suggest_processes: int = Field(default=1, ge=1, le=64)  # processes that compute suggestions
    #: host names by which the service is reached, separated by commas; others are refused
    allowed_hosts: Annotated[tuple[str, ...], NoDecode] = ("localhost", "127.0.0.1", "::1")
    #: proxies whose X-Forwarded-For is believed, separated by commas; else FORWARDED_ALLOW_IPS
    forwarded_allow_ips: str = Field(
        default_factory=lambda: os.environ.get("FORWARDED_ALLOW_IPS", "")
    )
    cookie_secure: bool = False  # send the session cookie over HTTPS alone
    log_format: Literal["plain", "json"] = "plain"  # format of log lines
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"  # lowest level that is logged

    @field_validator("allowed_hosts", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        """Host names are separated by commas."""
        if isinstance(value, str):
            return tuple(host.strip() for host in value.split(",") if host.strip())
        return value
