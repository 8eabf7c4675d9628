"""The priorities of searches: whose waiting trials are leased first."""

from core.protocol.explained_enum import ExplainedEnum


class Priority(ExplainedEnum):
    """When the waiting trials of a search are leased."""

    LOW = "low", "after the trials of all searches with a higher priority, also those of others"
    NORMAL = "normal", "in turn: the trial that has waited longest first"
    HIGH = "high", "before the owner's other searches, whenever it is the owner's turn"
    URGENT = "urgent", "before all other searches; only an admin may set it"


#: How the trials of a search rank among those of all owners; the higher rank is leased first.
#: `high` ranks as `normal`: it changes which trial of its owner has the turn, not whose turn it is.
RANKS = {Priority.LOW: -1, Priority.NORMAL: 0, Priority.HIGH: 0, Priority.URGENT: 1}
