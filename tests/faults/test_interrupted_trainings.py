"""Trainings that are interrupted continue where they were, and end as if nothing had happened.

Real processes, digits, leases of three seconds. Blobs are named by their content, so equal keys of
weights mean that all weights are equal, bit for bit.
"""

import signal
from collections.abc import Iterator
from typing import Any

import pytest

#: Small batches: a training must last longer than a test needs to see a checkpoint and to act.
TRAINING = {"epochs": 14, "final_epochs": 8, "batch_size": 16}
ENDED = {"completed", "failed", "stopped"}
LONG = 600.0  # seconds, where other processes have the processors as well

pytestmark = pytest.mark.timeout(2 * LONG + 100)  # a wait that takes too long shows the logs


@pytest.fixture(autouse=True)
def audited(service_processes) -> Iterator[None]:
    """After each test, end every search and audit the database and the storage."""
    yield
    service = service_processes
    service.start_api()
    service.start_worker()
    for (search_id,) in service.rows("SELECT id FROM searches WHERE ended_at IS NULL"):
        service.http.post(f"/v1/searches/{search_id}:stop")
    service.wait_until(lambda: service.rows("SELECT trial_id FROM leases") == [], LONG)
    service.audit_at_rest()


def start(service) -> str:
    """A search with one trial and its final fit; equal each time."""
    return service.search(budget={"trials": 1}, training=TRAINING, seed=3)


def facts(service, search_id: str) -> list[Any]:
    """Of each trial: the weights, the value, and the learning curve without its times."""
    trials = service.rows(
        "SELECT id, attempt, weights_key, value, epochs FROM trials WHERE search_id = %s"
        " ORDER BY number",
        search_id,
    )
    curve = """SELECT epoch, train_loss, validation_loss, validation_metric, learning_rate
        FROM epochs WHERE trial_id = %s AND attempt = %s ORDER BY epoch"""
    return [
        (weights, value, epochs, service.rows(curve, id, attempt))
        for id, attempt, weights, value, epochs in trials
    ]


@pytest.fixture(scope="module")
def uninterrupted(service_processes) -> list[Any]:
    """What the search finds where nothing interrupts it."""
    service_processes.start_api()
    service_processes.start_worker()
    search_id = start(service_processes)
    service_processes.wait_until_completed(search_id, LONG)
    found = facts(service_processes, search_id)
    assert [epochs for _, _, epochs, _ in found] == [14, 8]
    return found


def wait_for_checkpoint(service, search_id: str, kind: str, after: int = 0) -> tuple[str, int]:
    """Wait until a training trial of this kind has a checkpoint after a later epoch than that.

    Returns the trial's id and the epoch of the checkpoint.
    """
    query = """SELECT trials.id, checkpoint_epoch FROM trials JOIN leases ON trial_id = trials.id
        WHERE search_id = %s AND kind = %s AND checkpoint_epoch > %s"""
    ((trial_id, epoch),) = service.wait_until(
        lambda: service.rows(query, search_id, kind, after), LONG
    )
    return trial_id, epoch


def attempt_of(service, trial_id: str) -> int:
    ((attempt,),) = service.rows("SELECT attempt FROM trials WHERE id = %s", trial_id)
    return attempt


def resumed_after(service, epoch: int) -> bool:
    """Whether the worker's log says that a training went on after this epoch or a later one."""
    starts = [
        line.partition("training starts after epoch ")[2]
        for line in service.log("worker").splitlines()
    ]
    return any(int(start.split()[0]) >= epoch for start in starts if start)


def test_a_worker_that_is_terminated_hands_its_training_over(service, uninterrupted):
    """As at a deployment: no attempt is counted, and another worker goes on from the epoch."""
    search_id = start(service)
    trial_id, _ = wait_for_checkpoint(service, search_id, "search")
    service.stop_worker()
    query = "SELECT status, attempt, checkpoint_epoch FROM trials WHERE id = %s"
    ((status, attempt, epoch),) = service.rows(query, trial_id)
    assert (status, attempt) == ("waiting", 1)
    assert len(service.checkpoints()) >= 1
    service.audit()
    service.start_worker()
    service.wait_until_completed(search_id, LONG)
    assert attempt_of(service, trial_id) == 1
    assert resumed_after(service, epoch)
    assert facts(service, search_id) == uninterrupted


@pytest.mark.slow
def test_a_worker_that_is_terminated_in_an_absence_of_the_service_costs_no_attempt(
    service, uninterrupted
):
    """It cannot hand its trial back; as at a deployment of everything."""
    search_id = start(service)
    trial_id, epoch = wait_for_checkpoint(service, search_id, "search")
    service.stop_api()
    service.stop_worker()
    service.start_api()
    service.start_worker()
    service.wait_until_completed(search_id, LONG)
    assert attempt_of(service, trial_id) == 1
    assert resumed_after(service, epoch)
    assert facts(service, search_id) == uninterrupted


def test_a_killed_trainer_costs_the_epochs_since_its_checkpoint(service, uninterrupted):
    trainer = service.trainer()
    search_id = start(service)
    trial_id, epoch = wait_for_checkpoint(service, search_id, "search")
    service.kill_training(trainer)
    service.wait_until_completed(search_id, LONG)
    assert attempt_of(service, trial_id) == 2
    assert resumed_after(service, epoch)
    assert facts(service, search_id) == uninterrupted


@pytest.mark.slow
def test_a_killed_worker_costs_the_epochs_since_its_checkpoint(service, uninterrupted):
    search_id = start(service)
    trial_id, epoch = wait_for_checkpoint(service, search_id, "search")
    service.kill_training(service.worker)
    service.start_worker()
    service.wait_until_completed(search_id, LONG)
    assert attempt_of(service, trial_id) == 2
    assert resumed_after(service, epoch)
    assert facts(service, search_id) == uninterrupted


@pytest.mark.slow
@pytest.mark.parametrize("how", ["trainer killed", "worker terminated"])
def test_a_final_fit_is_continued_as_well(service, uninterrupted, how):
    search_id = start(service)
    trial_id, epoch = wait_for_checkpoint(service, search_id, "final")
    if how == "trainer killed":
        service.kill_training(service.trainer())
    else:
        service.stop_worker()
        service.start_worker()
    found = service.wait_until_completed(search_id, LONG)
    assert found["final"]["test_metric"] > 0.3
    assert attempt_of(service, trial_id) == (2 if how == "trainer killed" else 1)
    assert resumed_after(service, epoch)
    assert facts(service, search_id) == uninterrupted


@pytest.mark.slow
def test_a_training_that_is_interrupted_again_and_again_still_ends(service, uninterrupted):
    """More often than a trial has attempts."""
    search_id = start(service)
    epoch = 0
    for _ in range(4):
        trial_id, epoch = wait_for_checkpoint(service, search_id, "search", after=epoch)
        service.stop_worker()
        service.start_worker()
    service.wait_until_completed(search_id, LONG)
    assert attempt_of(service, trial_id) == 1
    assert facts(service, search_id) == uninterrupted


@pytest.mark.slow
def test_a_damaged_checkpoint_costs_the_training_before_it_and_not_the_trial(
    service, uninterrupted
):
    search_id = start(service)
    trial_id, _ = wait_for_checkpoint(service, search_id, "search")
    service.stop_worker()
    for name in service.checkpoints():
        path = service.storage / "checkpoints" / name
        path.write_bytes(path.read_bytes()[:-1] + b"x")
    service.start_worker()
    service.wait_until_completed(search_id, LONG)
    assert attempt_of(service, trial_id) == 1
    assert "as its checkpoint cannot be used" in service.log("worker")
    assert facts(service, search_id) == uninterrupted


def overdue(service) -> bool:
    """Whether a lease has run out, with half of its time again behind that."""
    return bool(service.rows("SELECT 1 FROM leases WHERE expires_at < now() - interval '1.5 s'"))


@pytest.mark.slow
def test_a_training_outlasts_an_absence_of_the_service(service, uninterrupted):
    """It ends while nobody can hear that; its lease has run out, but no one has taken over."""
    search_id = start(service)
    service.wait_until(lambda: service.in_training(search_id), LONG)
    service.stop_api()
    service.wait_until(lambda: overdue(service), LONG)
    service.start_api()
    service.wait_until_completed(search_id, LONG)
    assert service.rows("SELECT attempt FROM trials WHERE search_id = %s", search_id) == [
        (1,),
        (1,),
    ]
    assert facts(service, search_id) == uninterrupted


def test_a_worker_that_sleeps_past_its_lease_keeps_its_trial_while_nobody_asks(service):
    search_id = service.search(training={"epochs": 5000, "final_epochs": 1})
    trial_id, attempt = service.wait_until(lambda: service.in_training(search_id), LONG)
    trainer = service.trainer()
    for process in (service.worker, trainer):
        process.send_signal(signal.SIGSTOP)
    service.wait_until(lambda: overdue(service), LONG)
    for process in (trainer, service.worker):
        process.send_signal(signal.SIGCONT)
    renewed = "SELECT attempt FROM leases WHERE trial_id = %s AND expires_at > now()"
    service.wait_until(lambda: service.rows(renewed, trial_id) == [(attempt,)], LONG)
    assert service.trainer() == trainer


@pytest.mark.slow
def test_absences_of_the_service_burn_no_attempt_although_another_worker_waits(service):
    """Three times, each longer than a lease; the worker that trains is heard first."""
    other = service.start_another_worker()
    search_id = service.search(training={"epochs": 9000, "final_epochs": 1})
    trial_id, attempt = service.wait_until(lambda: service.in_training(search_id), LONG)
    holder = "SELECT worker_id, attempt, step FROM leases WHERE trial_id = %s"
    before = service.rows(holder, trial_id)
    for _ in range(3):
        service.stop_api()
        service.wait_until(lambda: overdue(service), LONG)
        service.start_api()
        service.wait_until(
            lambda: service.rows("SELECT 1 FROM leases WHERE expires_at > now()"), LONG
        )
    after = service.rows(holder, trial_id)
    assert after[0][:2] == before[0][:2] == (before[0][0], attempt)
    assert after[0][2] > before[0][2]
    other.terminate()
    other.wait(30)


@pytest.mark.slow
def test_a_silent_worker_loses_its_trial_to_one_that_asks(service):
    search_id = service.search(training={"epochs": 9000, "final_epochs": 1})
    trial_id, attempt = service.wait_until(lambda: service.in_training(search_id), LONG)
    trainer = service.trainer()
    for process in (service.worker, trainer):
        process.send_signal(signal.SIGSTOP)
    other = service.start_another_worker()
    query = "SELECT status, attempt FROM trials WHERE id = %s"
    service.wait_until(lambda: service.rows(query, trial_id) == [("running", attempt + 1)], LONG)
    for process in (trainer, service.worker):
        process.send_signal(signal.SIGCONT)
    service.http.post(f"/v1/searches/{search_id}:stop").raise_for_status()
    service.wait_until(lambda: service.status(search_id) in ENDED)
    other.terminate()
    other.wait(30)
