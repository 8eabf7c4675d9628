"""The priorities of searches: whose waiting trials are leased first."""

from core.protocol.explained_enum import ExplainedEnum


class Priority(ExplainedEnum):
    """When the waiting trials of a search are leased."""

    LOW = "low", "after the trials of all searches with a higher priority, also those of others"
    NORMAL = "normal", "in turn: the trial that has waited longest first"
    HIGH = "high", "before those of all other searches; only an admin may set it"


#: How trials rank in the queue; the higher rank is leased first, of equal ones the longest waiting.
RANKS = {Priority.LOW: -1, Priority.NORMAL: 0, Priority.HIGH: 1}
