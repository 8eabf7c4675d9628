"""What a session shares ends after the last test that uses it, once."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from tests.last_use import after_last_use, end_after

FOLDER = Path(__file__).parent


def test_what_is_shared_ends_after_its_last_test_and_once():
    session = SimpleNamespace(stash=pytest.Stash(), items=[])
    tests: list[Any] = [Test(session, *names) for names in (["up"], ["up", "away"], ["away"], [])]
    elsewhere = Test(session, "up", "away", folder="other")
    session.items += [*tests, elsewhere]
    ended: list[str] = []
    for name in ("up", "away"):
        request = SimpleNamespace(session=session, fixturename=name)
        after_last_use(cast(Any, request), FOLDER, lambda name=name: ended.append(name))
    left = []
    for test in (*tests, *tests):
        end_after(test)
        left.append(list(ended))
    assert left[:4] == [[], ["up"], ["up", "away"], ["up", "away"]]
    assert left[-1] == ["up", "away"]


class Test:
    """A test of a session, in a folder, with the names of its fixtures."""

    __test__ = False

    def __init__(
        self, session: SimpleNamespace, *fixturenames: str, folder: str = FOLDER.name
    ) -> None:
        self.session = session
        self.path = FOLDER.parent / folder / "test_one.py"
        self.fixturenames = fixturenames
