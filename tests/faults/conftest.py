"""Faults of the surroundings of a real service; see `tests.e2e.conftest` for its processes."""

from tests.e2e.conftest import processes_of_module, service, service_without_worker

__all__ = ["processes_of_module", "service", "service_without_worker"]
