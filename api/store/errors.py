"""Errors of the store.

NetmorphError
├── NotFound            nothing of that name or id belongs to the caller
├── Conflict            it is there, but not in a state that allows this: look again, then decide
└── InvalidInput
    └── KeyReused       an Idempotency-Key came with another request before
"""

from core.errors import InvalidInput, NetmorphError


class NotFound(NetmorphError):
    """Nothing of that name or id belongs to the caller."""


class Conflict(NetmorphError):
    """The object is not in a state that allows this: look again, then decide."""


class KeyReused(InvalidInput):
    """The Idempotency-Key came with another request before: use a new one."""
