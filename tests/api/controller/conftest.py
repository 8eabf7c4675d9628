"""The lease service on the database of a test."""

from typing import Any

import pytest

from api.controller.leases import LeaseService
from api.settings import Settings


@pytest.fixture
def lease_service(engine: Any, database_url: str) -> LeaseService:
    """The lease service, with the settings of a new installation."""
    settings = Settings(
        database_url=database_url, broker_url="redis://nowhere", storage_url="memory://"
    )
    return LeaseService(engine, settings)
