"""What an operation does in the background, and its states."""

from core.protocol.explained_enum import ExplainedEnum


class OperationKind(ExplainedEnum):
    """What an operation does."""

    UPLOAD = "upload", "imports an uploaded file as a data set"
    BUILTIN = "builtin", "imports a built-in data set"


class OperationStatus(ExplainedEnum):
    """The states of an operation."""

    RUNNING = "running", "it waits for its turn or is carried out: `step` says which"
    DONE = "done", "its result is stored"
    FAILED = "failed", "it has no result: `problem` says why"
    CANCELLED = "cancelled", "a user has ended it, it has no result: `problem` says who"
