"""The errors of the command line and the Python client.

ClientError
├── LaunchError      the service cannot be started here: change what the message says
├── Unreachable      no service answers: start one, or give another address
├── RefusedRequest   the service refused a request (RFC 9457): change it, do not retry
├── InvalidExport    a downloaded export is damaged: download it again
└── UnreadableNetwork   a file with a network cannot be read: give another file
    └── UnsupportedOperation   an operation in it cannot be taken: change it in the model
"""

from dataclasses import dataclass, field
from http import HTTPStatus


class ClientError(Exception):
    """Any error of this package; its text is one line for people."""


class LaunchError(ClientError):
    """The service cannot be started on this machine; no half-made files remain."""


class Unreachable(ClientError):
    """No service answers at the address."""


class InvalidExport(ClientError):
    """The archive of an export is damaged, or has entries that no export has."""


class UnreadableNetwork(ClientError):
    """A file with a network is damaged, too large, or holds something else."""


class UnsupportedOperation(UnreadableNetwork):
    """A network has an operation that no layer of ours computes; the message names its node."""


@dataclass(slots=True)
class RefusedRequest(ClientError):
    """The service refused a request: change it, do not retry."""

    status: int
    title: str
    detail: str
    errors: tuple[dict[str, str], ...] = field(default=())
    retry_after: float | None = None  # seconds after which the service accepts another try

    def __str__(self) -> str:
        fields = "; ".join(f"{e.get('field', '?')}: {e.get('message', '?')}" for e in self.errors)
        text = self.detail or self.title
        return f"{text} ({fields})" if fields and fields not in text else text


#: What to do about a refusal, by its status, where its text does not say so.
_ADVICE = {
    HTTPStatus.UNAUTHORIZED: "give a valid key by --key or NETMORPH_KEY",
    HTTPStatus.FORBIDDEN: "give another key by --key or NETMORPH_KEY",
    HTTPStatus.INTERNAL_SERVER_ERROR: "see the log of the service",
    HTTPStatus.SERVICE_UNAVAILABLE: "`netmorph doctor` checks the set-up",
}


def in_words(error: ClientError) -> str:
    """The text of an error on one line, with what to do about it."""
    text = " ".join(str(error).split())
    if isinstance(error, RefusedRequest) and error.status in _ADVICE:
        text = f"{text}; {_ADVICE[HTTPStatus(error.status)]}"
    return text
