"""The health check looks at the age of a file that the worker's loop touches."""

import os

import pytest

from tests.clock import Clock
from worker.agent.health import HealthFile, health_problem


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def file(settings, clock) -> HealthFile:
    return HealthFile(settings.health_file, clock)


def age(settings, now: float) -> float:
    return now - settings.health_file.stat().st_mtime


def test_a_worker_that_never_ran_is_not_healthy(settings):
    assert health_problem(settings) == (
        f"no worker 'tester' runs here: {settings.health_file} is missing"
    )


def test_a_worker_is_healthy_until_its_file_is_older_than_three_polls_and_a_minute(settings, file):
    file.touch()
    touched = settings.health_file.stat().st_mtime
    assert health_problem(settings, now=lambda: touched + 60.2) is None
    found = health_problem(settings, now=lambda: touched + 60.4)
    assert found == "the worker has not moved for 60 s (expected: at most 60 s)"


def test_a_worker_that_has_ended_is_not_healthy(settings, file):
    file.touch()
    file.remove()
    file.remove()  # a second time changes nothing
    assert "is missing" in health_problem(settings)


def test_the_file_is_touched_at_most_every_two_seconds(settings, file, clock):
    """The loop runs many times a second; each touch writes to the disk."""
    file.touch()
    os.utime(settings.health_file, (0, 0))
    clock.now += 1.9
    file.touch()
    assert settings.health_file.stat().st_mtime == 0
    clock.now += 0.2
    file.touch()
    assert settings.health_file.stat().st_mtime > 0


def test_workers_of_other_names_have_files_of_their_own(settings):
    other = settings.model_copy(update={"worker_name": "a/b c"})
    assert other.health_file.parent == settings.health_file.parent
    assert other.health_file.name == "worker-a_b_c.alive"
