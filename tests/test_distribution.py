"""The tests of services are run by one process, one after the other."""

from types import SimpleNamespace

import pytest

from tests.distribution import SERVICES, ServicesTogether, unit_of

#: Fixtures that start a service or a command.
STARTING = frozenset({"away", "netmorph", "service_processes", "up"})

SERVICE_TESTS = [f"tests/e2e/test_faults.py::test_{number}" for number in range(5)]
OTHER_TESTS = [f"tests/core/test_registry.py::test[{number}]" for number in range(20)]


class Process:
    """A process of pytest-xdist that only remembers which tests it was given."""

    def __init__(self, name: str) -> None:
        self.gateway = SimpleNamespace(id=name)
        self.shutting_down = False
        self.given: list[int] = []

    def send_runtest_some(self, indices: list[int]) -> None:
        self.given += indices

    def shutdown(self) -> None:
        self.shutting_down = True


def test_one_process_gets_the_tests_of_services_first_and_the_others_are_shared():
    tests = [*OTHER_TESTS[:9], *SERVICE_TESTS, *OTHER_TESTS[9:]]
    given = distributed(tests)
    with_services, without = sorted(given, key=lambda ids: -sum(i in SERVICE_TESTS for i in ids))
    assert with_services[: len(SERVICE_TESTS)] == SERVICE_TESTS
    assert set(OTHER_TESTS) > set(without)
    assert len(without) > len(with_services) - len(SERVICE_TESTS) > 0
    assert sorted(with_services + without) == sorted(tests)


def distributed(tests: list[str]) -> list[list[str]]:
    """What each of two processes is given, when all tests take the same time."""
    config = SimpleNamespace(
        getvalue=lambda _: ["2*popen"], option=SimpleNamespace(loadscopereorder=True)
    )
    scheduler, processes = ServicesTogether(config), [Process("gw0"), Process("gw1")]
    for process in processes:
        scheduler.add_node(process)
    for process in processes:
        scheduler.add_node_collection(process, tests)
    scheduler.schedule()
    for turn in range(len(tests)):
        for process in processes:
            if turn < len(process.given):
                scheduler.mark_test_complete(process, process.given[turn])
    return [[tests[index] for index in process.given] for process in processes]


def test_every_test_that_starts_services_is_run_with_them(request: pytest.FixtureRequest):
    apart = [
        item.nodeid
        for item in request.session.items
        if STARTING & set(getattr(item, "fixturenames", ())) and unit_of(item.nodeid) != SERVICES
    ]
    assert apart == []


def test_the_distribution_is_used_where_groups_are_requested(request: pytest.FixtureRequest):
    """xdist asks the conftest files before it makes a distribution of its own."""
    log = SimpleNamespace(loadscopesched=lambda *_: None)
    values = {"dist": "loadgroup", "tx": ["2*popen"]}
    config = SimpleNamespace(
        getvalue=values.__getitem__, option=SimpleNamespace(loadscopereorder=True)
    )
    make = request.config.pluginmanager.hook.pytest_xdist_make_scheduler
    assert isinstance(make(config=config, log=log), ServicesTogether)
    values["dist"] = "load"
    assert not isinstance(make(config=config, log=log), ServicesTogether)
