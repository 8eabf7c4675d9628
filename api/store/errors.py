"""Errors of the store.

NetmorphError
├── NotFound            no object of this name or id belongs to the caller
├── Conflict            the object is in a state that forbids this: read it again, then decide
├── Forbidden           the key may not do this: use the right one
├── QuotaExceeded       the caller keeps or runs too much: end or remove something first
└── InvalidInput
    └── KeyReused       the Idempotency-Key belongs to another request: use a new one
"""

from core.errors import InvalidInput, NetmorphError


class NotFound(NetmorphError):
    """No object of this name or id belongs to the caller."""


class Conflict(NetmorphError):
    """The object is in a state that forbids this: read it again, then decide."""


class Forbidden(NetmorphError):
    """The key may not do this: use the right one."""


class QuotaExceeded(NetmorphError):
    """The caller keeps or runs too much: end or remove something first."""


class KeyReused(InvalidInput):
    """The Idempotency-Key belongs to another request: use a new one."""
