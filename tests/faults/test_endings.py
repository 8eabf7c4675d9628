"""Everything ends at once and starts again, and two API processes of which the leader freezes."""

import signal

import pytest

from netmorph.embedded import free_port
from tests.running_service import RunningService

pytestmark = pytest.mark.slow

#: A training lasts longer than a test needs to see a checkpoint and to act.
TRAINING = {"epochs": 14, "final_epochs": 8, "batch_size": 16}


def attempts(service: RunningService, search_id: str) -> list[tuple[int]]:
    """The attempts that the trials of a search took."""
    return service.rows("SELECT DISTINCT attempt FROM trials WHERE search_id = %s", search_id)


def terminate_everything(service: RunningService) -> None:
    """Send SIGTERM to all processes at once, as a machine that shuts down does; wait for them."""
    processes = (service.worker, service.api, service.database.process, service.broker.process)
    for process in processes:
        process.terminate()
    for process in processes:
        process.wait(120)


def test_a_search_goes_on_after_everything_was_terminated_at_once(service: RunningService) -> None:
    search_id = service.search(budget={"trials": 3}, training=TRAINING)
    for number in (0, 1):
        service.wait_for_trial(search_id, number)
        terminate_everything(service)
        assert service.database.start() == service.database_url
        assert service.broker.start() == service.broker_url
        service.start_api()
        service.note_unreported()  # what the worker stored when nobody heard of it any more
        service.start_worker()

    found = service.wait_until_completed(search_id)

    assert sum(found["trial_counts"].values()) == 3
    assert attempts(service, search_id) == [(1,)]
    service.audit_at_rest()


def test_another_controller_leads_while_the_leader_is_frozen(
    service_without_worker: RunningService,
) -> None:
    """When the first one wakes, both think that they lead."""
    service = service_without_worker
    port = free_port()
    service.environment["worker"]["NETMORPH_API_URL"] = f"http://127.0.0.1:{port}"
    other = service.start_another_api(port)
    service.start_worker()
    leader = "SELECT holder FROM leader WHERE expires_at > now()"
    ((first,),) = service.wait_until(lambda: service.rows(leader))
    search_id = service.search(budget={"trials": 8}, parallelism=2)
    service.wait_for_trial(search_id, 1)
    service.api.send_signal(signal.SIGSTOP)

    service.wait_until(lambda: service.rows(leader) not in ([], [(first,)]))
    count = "SELECT count(*) FROM trials WHERE search_id = %s"
    ((before,),) = service.rows(count, search_id)
    service.wait_until(lambda: service.rows(count, search_id)[0][0] > min(before, 6))
    service.api.send_signal(signal.SIGCONT)
    found = service.wait_until_completed(search_id)

    assert sum(found["trial_counts"].values()) == 8
    assert attempts(service, search_id) == [(1,)]
    service.stop_worker()
    del service.environment["worker"]["NETMORPH_API_URL"]
    other.terminate()
    other.wait(60)
    service.audit_at_rest()
