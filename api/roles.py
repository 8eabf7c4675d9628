"""The roles of API keys."""

from enum import StrEnum


class Role(StrEnum):
    """What a key may do."""

    ADMIN = "admin"  # everything users may, on everybody's objects, and keys
    USER = "user"  # own searches, data sets, models
    WORKER = "worker"  # the worker routes alone
