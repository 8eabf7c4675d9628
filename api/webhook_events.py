"""What webhooks report, and the states of a delivery."""

from enum import StrEnum

PING = "ping"  # a delivery that a user requests to test a webhook


class WebhookEvent(StrEnum):
    """The events that a webhook may subscribe to."""

    SEARCH_COMPLETED = "search.completed"
    SEARCH_FAILED = "search.failed"
    SEARCH_STOPPED = "search.stopped"
    TRIAL_BEST = "trial.best"  # a trial has ended with a better value than all others


class DeliveryStatus(StrEnum):
    """The states of a delivery."""

    PENDING = "pending"  # it is sent, or is sent again later
    DELIVERED = "delivered"  # the receiver has answered with a status 2xx
    FAILED = "failed"  # all attempts are used up
