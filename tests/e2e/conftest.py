"""The service of `tests.conftest`, running with and without its worker."""

import pytest

from tests.running_service import RunningService


@pytest.fixture
def service_without_worker(service_processes: RunningService) -> RunningService:
    """The service without a worker."""
    service_processes.start_api()
    service_processes.stop_worker()
    return service_processes


@pytest.fixture
def service(service_processes: RunningService) -> RunningService:
    """The service with its worker."""
    service_processes.start_api()
    service_processes.start_worker()
    return service_processes
