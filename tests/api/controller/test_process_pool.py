"""Calls in processes: a process that dies or hangs costs its own call, and is replaced."""

import os
import signal
import threading
from collections.abc import Iterator

import numpy  # noqa: F401  # has threads, which a process of the pool must not use
import pytest
from threadpoolctl import threadpool_info

from api.controller.process_pool import NoProcess, ProcessDied, ProcessPool
from tests.waiting import wait_for


def twice(number: int) -> int:
    if number < 0:
        raise ValueError(f"{number} is negative")
    return 2 * number


def die(number: int) -> None:
    os.kill(os.getpid(), number)


def hang(_: None) -> None:
    threading.Event().wait()


def pid(_: None) -> int:
    return os.getpid()


def libraries(_: None) -> list[dict[str, object]]:
    return threadpool_info()  # type: ignore[no-any-return]


@pytest.fixture
def pool() -> Iterator[ProcessPool]:
    pool = ProcessPool(1, seconds=60)
    yield pool
    pool.close()


def test_a_call_returns_its_value_or_raises_its_error_with_its_traceback(pool) -> None:
    assert pool.submit(twice, 4).result() == 8
    with pytest.raises(ValueError, match="-1 is negative") as caught:
        pool.submit(twice, -1).result()
    assert "in twice" in caught.value.__notes__[0]
    assert pool.submit(twice, 5).result() == 10


def test_only_the_call_fails_whose_process_dies(pool) -> None:
    before = pool.submit(pid, None).result()
    died, waiting = pool.submit(die, signal.SIGKILL), pool.submit(twice, 2)

    with pytest.raises(ProcessDied, match="ended by signal 9"):
        died.result()
    assert waiting.result() == 4
    assert pool.submit(pid, None).result() != before


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_process_that_was_killed_while_idle_is_replaced_unnoticed(pool, number) -> None:
    found = pool.submit(pid, None).result()

    os.kill(found, number)

    assert pool.submit(pid, None).result() not in {found, os.getpid()}


def test_a_call_that_hangs_fails_and_the_next_one_gets_another_process() -> None:
    pool = ProcessPool(1, seconds=0.2)
    hanging = pool.submit(hang, None)

    with pytest.raises(ProcessDied, match=r"gave no answer within 0\.2 s"):
        hanging.result()
    assert pool.submit(twice, 1).result() == 2
    pool.close()


def test_a_process_that_is_stopped_while_idle_is_replaced(pool, monkeypatch) -> None:
    found = pool.submit(pid, None).result()
    os.kill(found, signal.SIGSTOP)
    monkeypatch.setattr(
        "api.controller.process_pool._START_SECONDS", 10.0
    )  # the next one starts, too

    assert pool.submit(pid, None).result() != found


def test_closing_ends_the_processes_and_the_calls_that_wait_for_them(pool) -> None:
    found = pool.submit(pid, None).result()
    hanging = pool.submit(hang, None)
    wait_for(hanging.running)

    pool.close()

    with pytest.raises((ProcessDied, NoProcess)):
        hanging.result(timeout=10)
    with pytest.raises(ProcessLookupError):
        os.kill(found, 0)


def test_a_process_computes_with_one_thread_of_linear_algebra(
    pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)

    found = pool.submit(libraries, None).result()

    assert {library["user_api"] for library in found} >= {"blas"}
    assert {library["num_threads"] for library in found} == {1}
