"""The network between a worker and the API loses every packet for a while, both ways or one way.

Leases of three seconds. The worker reaches the API through a proxy.
"""

from collections.abc import Iterator

import pytest

from tests.faults.proxy import Direction, Proxy
from tests.running_service import RunningService


@pytest.fixture
def proxy(service_processes: RunningService) -> Iterator[Proxy]:
    """The network of a worker that starts from now on."""
    service = service_processes
    proxy = Proxy(int(service.url.rpartition(":")[2]))
    service.environment["worker"]["NETMORPH_API_URL"] = f"http://127.0.0.1:{proxy.port}"
    yield proxy
    proxy.heal()
    service.stop_worker()
    del service.environment["worker"]["NETMORPH_API_URL"]
    proxy.close()


def is_overdue(service: RunningService) -> bool:
    """Whether a lease has run out."""
    return bool(service.rows("SELECT 1 FROM leases WHERE expires_at < now()"))


def undelivered(service: RunningService) -> int:
    """How many times the worker has said so far that a report was not delivered."""
    return (service.directory / "worker.log").read_text().count("not delivered")


@pytest.mark.slow
@pytest.mark.parametrize("directions", [(), ("requests",), ("answers",)])
def test_a_training_outlasts_a_network_that_loses_packets(
    service_without_worker: RunningService, proxy: Proxy, directions: tuple[Direction, ...]
) -> None:
    """Where only answers are lost, the service counts a result whose worker sends it again."""
    service = service_without_worker
    # One that has just ended counts as asking for the trials of silent workers for twelve seconds.
    asking = "SELECT 1 FROM workers WHERE seen_at > now() - interval '12 s'"
    service.wait_until(lambda: service.rows(asking) == [])
    service.start_worker()
    search_id = service.search(budget={"trials": 3})
    service.wait_for_trial(search_id, 1)
    before = undelivered(service)
    proxy.drop(*directions)
    service.wait_until(lambda: undelivered(service) >= before + 4)
    if directions != ("answers",):
        service.wait_until(lambda: is_overdue(service))
    proxy.heal()

    found = service.wait_until_completed(search_id)

    assert sum(found["trial_counts"].values()) == 3
    assert service.rows("SELECT DISTINCT attempt FROM trials WHERE search_id = %s", search_id) == [
        (1,)
    ]
    service.audit_at_rest()
