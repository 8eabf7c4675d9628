"""Which tests one process of pytest-xdist runs together (`-n 2 --dist loadgroup`).

xdist reads its own mark `xdist_group` from the end of a test's id, where pytest 9.2 no longer lets
it be written: there the mark does nothing. Folders and files are named here instead.
"""

from xdist.scheduler import LoadScopeScheduling

#: Tests that start services. Each starts several processes, and some share one service.
STARTING_SERVICES = (
    "tests/docs/test_how_to_commands.py::",
    "tests/e2e/",
    "tests/faults/",
    "tests/netmorph/",
    "tests/test_wheel.py::",
)

SERVICES = "services"


def unit_of(nodeid: str) -> str:
    """The name of what is run together: the tests of services, or the test alone."""
    return SERVICES if nodeid.startswith(STARTING_SERVICES) else nodeid


class ServicesTogether(LoadScopeScheduling):
    """One process runs the tests of services, from the start; the others share the other tests.

    xdist gives out the unit with the most tests first, so that no process waits for it at the end.
    """

    def _split_scope(self, nodeid: str) -> str:
        return unit_of(nodeid)
