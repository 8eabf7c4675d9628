"""The process that answers what to try next is a good neighbour of the trainers."""

from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from threadpoolctl import threadpool_info

from api.controller import suggesting


def test_a_suggestion_takes_one_thread_of_linear_algebra() -> None:
    with ProcessPoolExecutor(1, get_context("spawn"), initializer=suggesting.prepare) as pool:
        libraries = pool.submit(threadpool_info).result()

    assert {library["user_api"] for library in libraries} >= {"blas"}
    assert {library["num_threads"] for library in libraries} == {1}
