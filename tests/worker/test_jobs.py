"""The worker as a process: notifications over a real broker, its faults, kill and shutdown."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from time import monotonic
from uuid import uuid4

import celery
import psutil
import pytest
import redis

from core.protocol.queue import KEY_PREFIX, QUEUE, TRAIN_JOB, celery_config
from core.protocol.states import TrialStatus
from netmorph.embedded import EmbeddedValkey
from worker.agent.notifications import write_notification

Start = Callable[..., subprocess.Popen[bytes]]


@pytest.fixture
def start(environment: dict[str, str], tmp_path: Path) -> Iterator[Start]:
    """Starts worker processes and ends those that still run."""
    started: list[subprocess.Popen[bytes]] = []

    def begin(broker_url: str, **changes: str) -> subprocess.Popen[bytes]:
        with (tmp_path / "worker.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", "worker"],
                env=environment | {"NETMORPH_BROKER_URL": broker_url} | changes,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        started.append(process)
        return process

    yield begin
    for process in started:
        if process.poll() is None:
            process.terminate()
        process.wait(20)
    print((tmp_path / "worker.log").read_text())


@pytest.fixture
def notify(broker_url: str) -> Iterator[Callable[..., None]]:
    """Notifies workers of trials as the controller does."""
    app = celery.Celery("sender", set_as_current=False)
    app.conf.update(celery_config(broker_url))

    def send(trial_id: object, attempt: int = 1) -> None:
        app.send_task(TRAIN_JOB, args=[str(trial_id), attempt], queue=QUEUE, ignore_result=True)

    yield send
    app.close()


def assert_consumes(controller, notify, seconds=15.0):
    """A worker that does not poll requests a trial for a notification, which is sent repeatedly."""
    controller.until(lambda: controller.leases)  # it requests a trial when it starts
    before = len(controller.leases)
    deadline = monotonic() + seconds
    notify(uuid4())
    while not controller.wait_for(lambda: len(controller.leases) > before, 0.5):
        assert monotonic() < deadline, f"no notification was read within {seconds} s"
        notify(uuid4())


def finished(controller, order):
    return [result.status for result in controller.results.get(order.trial_id, [])]


LONG_POLL = {"NETMORPH_POLL_SECONDS": "300"}  # so that only notifications start a trial


def test_a_notification_starts_its_trial_at_once_and_other_trials_follow(
    start, controller, broker_url, notify
):
    start(broker_url, **LONG_POLL)
    controller.until(lambda: controller.leases)  # it requested a trial, and none was waiting
    first, second = controller.add("train"), controller.add("train")
    notify(second.trial_id)
    controller.until(lambda: finished(controller, first) and finished(controller, second))
    assert controller.trained == [first.trial_id, second.trial_id]  # the longest waiting first
    assert {path for path, _ in controller.leases} == {"/v1/worker/lease"}


def test_a_notification_is_read_after_each_trial(start, controller, broker_url, notify):
    start(broker_url, **LONG_POLL)
    controller.until(lambda: controller.leases)
    notify(uuid4())
    controller.until(lambda: len(controller.leases) == 2)
    for k in range(5):
        order = controller.add("train", seconds=0.01)
        notify(order.trial_id)
        controller.until(lambda k=k: len(controller.leases) == 4 + 2 * k)
        assert finished(controller, order)


def test_a_worker_finds_trials_without_a_broker(start, controller):
    order = controller.add("train")
    worker = start("redis://127.0.0.1:1/0")
    controller.until(lambda: finished(controller, order))
    assert finished(controller, order) == [TrialStatus.COMPLETED]
    worker.terminate()
    assert worker.wait(20) == 0


def test_a_trial_that_is_notified_three_times_is_trained_once(
    start, controller, broker_url, notify
):
    start(broker_url, **LONG_POLL)
    order = controller.add("train")
    for _ in range(3):
        notify(order.trial_id)
    assert_consumes(controller, notify)
    assert finished(controller, order) == [TrialStatus.COMPLETED]


def test_a_flushed_broker_is_still_consumed(start, controller, broker_url, notify):
    start(broker_url, **LONG_POLL)
    assert_consumes(controller, notify)
    client = redis.Redis.from_url(broker_url)
    client.flushdb()
    client.close()
    assert_consumes(controller, notify)


def test_a_restarted_broker_is_consumed_again(start, controller, servers_directory):
    server = EmbeddedValkey(servers_directory / "restarted")
    url = server.start()
    app = celery.Celery("sender", set_as_current=False)
    app.conf.update(celery_config(url))

    def notify(trial_id: object) -> None:
        try:
            app.send_task(TRAIN_JOB, args=[str(trial_id), 1], queue=QUEUE, ignore_result=True)
        except app.connection().connection_errors:
            app.pool.force_close_all()

    start(url, **LONG_POLL)
    assert_consumes(controller, notify)
    server.process.kill()
    server.process.wait()
    order = controller.add("train")
    assert server.start() == url
    notify(order.trial_id)
    assert_consumes(controller, notify, seconds=30)
    server.stop()
    app.close()


GARBAGE = [
    b"garbage",
    b"5",
    b"[]",
    b"{}",
    b"\xff\xfe\x00",
    b"[" * 100_000,
    b'"' + b"x" * 1_000_000 + b'"',
    json.dumps({"body": "%%%", "headers": {}, "properties": {}}).encode(),
    write_notification(uuid4(), 1).replace(b'"task": "train"', b'"task": "celery.backend_cleanup"'),
    write_notification(uuid4(), 1).replace(b"application/json", b"application/x-python-serialize"),
    write_notification(uuid4(), 1).replace(b'"eta": null', b'"eta": [1]'),
    write_notification(uuid4(), 1).replace(b'"body": "', b'"body": "!'),
]


def test_garbage_in_the_queue_stops_no_worker(start, controller, broker_url, notify, eventually):
    worker = start(broker_url, **LONG_POLL)
    client = redis.Redis.from_url(broker_url)
    for element in GARBAGE:
        client.lpush(KEY_PREFIX + QUEUE, element)
    assert_consumes(controller, notify)
    eventually(lambda: client.llen(KEY_PREFIX + QUEUE) == 0)
    assert worker.poll() is None
    client.close()


def test_a_worker_waits_as_long_as_the_controller_demands(start, controller, broker_url):
    controller.down, controller.retry_after = True, "60"
    start(broker_url)  # which polls ten times a second
    controller.until(lambda: controller.refused == 1)
    assert not controller.wait_for(lambda: controller.refused > 1, 1.0)


@pytest.mark.parametrize("found_by", ["notification", "poll"])
def test_a_worker_that_shuts_down_hands_its_trial_back_and_leaves_no_process(
    start, controller, broker_url, notify, gone, found_by
):
    if found_by == "notification":
        worker = start(broker_url, **LONG_POLL)
        controller.until(lambda: controller.leases)
    order = controller.add("family")
    if found_by == "notification":
        notify(order.trial_id)
    else:
        worker = start(broker_url)
    controller.until(lambda: controller.heartbeats[order.trial_id])
    family = psutil.Process(worker.pid).children(recursive=True)
    assert len(family) == 2
    worker.terminate()
    assert worker.wait(20) == 0
    assert controller.handed_back == [order.trial_id]
    assert all(gone(member.pid) for member in family)


def test_the_trainer_of_a_killed_worker_exits(start, controller, broker_url, eventually, gone):
    order = controller.add("train", seconds=60)
    worker = start(broker_url)
    controller.until(lambda: controller.heartbeats[order.trial_id])
    (trainer,) = psutil.Process(worker.pid).children()
    worker.kill()
    eventually(lambda: gone(trainer.pid))


def test_a_restarted_worker_keeps_its_id_and_has_a_new_boot_id(
    start, controller, broker_url, tmp_path
):
    state = {"NETMORPH_STATE_DIR": str(tmp_path / "state")}
    seen = []
    for _ in range(2):
        before = len(controller.leases)
        worker = start(broker_url, **state)
        controller.until(lambda before=before: len(controller.leases) > before)
        seen.append(controller.leases[-1][1])
        worker.kill()
        worker.wait()
    assert seen[0].worker_id == seen[1].worker_id
    assert seen[0].boot_id != seen[1].boot_id
    assert seen[0].device == "test device"


def test_the_health_check_knows_whether_a_worker_runs(start, controller, broker_url, environment):
    def check() -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-P", "-m", "worker", "healthcheck"],
            env=environment | {"NETMORPH_BROKER_URL": broker_url},
            capture_output=True,
            text=True,
            check=False,
        )

    assert check().returncode == 1
    worker = start(broker_url)
    controller.until(lambda: controller.leases)
    assert check().stdout == "well\n"
    (alive,) = Path(environment["NETMORPH_CACHE_DIR"]).glob("*.alive")
    os.utime(alive, (0, 0))
    worker.send_signal(signal.SIGSTOP)
    os.utime(alive, (0, 0))
    done = check()
    worker.send_signal(signal.SIGCONT)
    assert done.returncode == 1
    assert "has not moved" in done.stderr


def test_wrong_settings_are_named_in_one_message(environment):
    wrong = environment | {"NETMORPH_API_URL": "nowhere", "NETMORPH_BROKER_URL": "redis://x"}
    done = subprocess.run(
        [sys.executable, "-P", "-m", "worker"],
        env=wrong | {"NETMORPH_POLL_SECONDS": "-1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "NETMORPH_API_URL: String should match" in done.stderr
    assert "NETMORPH_POLL_SECONDS: Input should be greater than 0" in done.stderr
    assert "Traceback" not in done.stderr
