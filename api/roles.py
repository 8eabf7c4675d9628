"""The roles of API keys."""

from core.protocol.explained_enum import ExplainedEnum


class Role(ExplainedEnum):
    """What a key may do."""

    ADMIN = "admin", "everything that users may, on everybody's objects, and keys"
    USER = "user", "own searches, data sets and networks"
    WORKER = "worker", "the worker routes alone"
