"""Quotas: how much one user may keep and run."""

from typing import Any

import pytest

from api.roles import Role
from api.store import quotas
from api.store.errors import QuotaExceeded
from core.protocol.states import SearchStatus


def test_bytes_of_own_data_sets_count(world: Any) -> None:
    user, other = world.caller(), world.caller()
    world.dataset(user)  # each has 10 bytes
    world.dataset(user)
    world.dataset(user, builtin=True)
    world.dataset(other)
    with world.sessions.begin() as session:
        quotas.check_bytes(session, user, 5, 25)
        with pytest.raises(QuotaExceeded, match="uploads included 26; expected at most 25"):
            quotas.check_bytes(session, user, 6, 25)
        quotas.check_bytes(session, world.caller(Role.ADMIN), 10**12, 0)


def test_searches_count_until_they_end(world: Any) -> None:
    user = world.caller()
    world.search(user)
    world.search(user, status=SearchStatus.STOPPED)
    world.search()
    with world.sessions.begin() as session:
        quotas.check_searches(session, user, 2)
        with pytest.raises(QuotaExceeded, match=r"1 of your searches .*at most 1"):
            quotas.check_searches(session, user, 1)
        quotas.check_searches(session, world.caller(Role.ADMIN), 0)
