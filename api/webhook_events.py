"""What webhooks report, and the states of a delivery."""

from core.protocol.explained_enum import ExplainedEnum

PING = "ping"  # a delivery that a user requests to test a webhook


class WebhookEvent(ExplainedEnum):
    """The events that a webhook may subscribe to."""

    SEARCH_COMPLETED = "search.completed", "a search is completed"
    SEARCH_FAILED = "search.failed", "a search has failed"
    SEARCH_STOPPED = "search.stopped", "a search is stopped or deleted"
    TRIAL_BEST = "trial.best", "a trial is better than all before it"


class DeliveryStatus(ExplainedEnum):
    """The states of a delivery."""

    PENDING = "pending", "it is sent, or is sent again later"
    DELIVERED = "delivered", "the receiver has answered with a status 2xx"
    FAILED = "failed", "all attempts are used up"
