"""Which tests one process of pytest-xdist runs together (`-n 3 --dist loadgroup`).

xdist reads its own mark `xdist_group` from the end of a test's id, where pytest 9.2 no longer lets
it be written: there the mark does nothing. Folders and files are named here instead.
"""

from xdist.scheduler import LoadScopeScheduling

#: Tests that start services, by the kind of service. Each starts several processes, and many tests
#: share one service. Two kinds, as such tests often wait: another process has the processor then.
STARTING_SERVICES = {
    "services": ("tests/docs/test_how_to_commands.py::", "tests/e2e/", "tests/faults/"),
    "commands": ("tests/netmorph/", "tests/test_wheel.py::"),
}


def unit_of(nodeid: str) -> str:
    """The name of what is run together: the tests of one kind of service, or the test alone."""
    for kind, starts in STARTING_SERVICES.items():
        if nodeid.startswith(starts):
            return kind
    return nodeid


class ServicesTogether(LoadScopeScheduling):
    """A process runs all tests of one kind of service, from the start; the other tests are shared.

    xdist gives out the unit with the most tests first, so that no process waits for it at the end.
    """

    def _split_scope(self, nodeid: str) -> str:
        return unit_of(nodeid)
