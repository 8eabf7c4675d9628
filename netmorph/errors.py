"""What can go wrong for a person at the command line or in the Python client.

ClientError
├── LaunchError      the service cannot be started here; the message says what to change
├── Unreachable      no service answers at the address; start one, or give another address
├── Problem          the service refused a request (a problem document, RFC 9457)
└── InvalidExport    a downloaded export is not what it should be; download it again
"""

from dataclasses import dataclass, field


class ClientError(Exception):
    """Any error of this package; its text is one line meant for people."""


class LaunchError(ClientError):
    """The service cannot be started here; nothing half-made is left behind."""


class Unreachable(ClientError):
    """No service answers at the address."""


class InvalidExport(ClientError):
    """The archive of an export is damaged or holds what an export never holds."""


@dataclass(slots=True)
class Problem(ClientError):
    """The service refused a request; repeating it unchanged does not help."""

    status: int
    title: str
    detail: str
    errors: tuple[dict[str, str], ...] = field(default=())

    def __str__(self) -> str:
        fields = "; ".join(f"{e.get('field', '?')}: {e.get('message', '?')}" for e in self.errors)
        text = self.detail or self.title
        return f"{text} ({fields})" if fields and fields not in text else text
