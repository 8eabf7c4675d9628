"""Faults of the surroundings of a real service; see `tests.running_service`."""

from tests.e2e.conftest import service, service_without_worker

__all__ = ["service", "service_without_worker"]
