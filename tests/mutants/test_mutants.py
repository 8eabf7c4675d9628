"""Planted faults: the lists fit the code, and the runner tells a killed fault from a survivor."""

from pathlib import Path

import pytest

from tests.mutants.mutant import Mutant
from tests.mutants.run import ROOT, CannotPlant, NothingShown, lists, main, mutated, run

LISTS = lists()
CODE = "def twice(x):\n    return 2 * x\n\n\ndef thrice(x):\n    return 3 * x\n"
TEST = "import code_of_it\n\n\ndef test_twice():\n    assert code_of_it.twice(2) == 4\n"


def mutant(old: str, new: str) -> Mutant:
    return Mutant(file="code_of_it.py", old=old, new=new, tests=("test_it.py",))


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A program of two functions, one of them tested."""
    folder = tmp_path / "program"
    folder.mkdir()
    (folder / "code_of_it.py").write_text(CODE)
    (folder / "test_it.py").write_text(TEST)
    # as in our own tests: this plugin imports more than everything else
    (folder / "pytest.ini").write_text("[pytest]\naddopts = -p no:schemathesis\n")
    return folder


@pytest.mark.parametrize("name", LISTS)
def test_every_fault_can_be_planted_and_its_tests_exist(name: str) -> None:
    assert LISTS[name]
    for one in LISTS[name]:
        assert mutated(one, ROOT) != (ROOT / one.file).read_text()
        assert one.tests
        assert [file for file in one.tests if not (ROOT / file).is_file()] == []


def test_no_fault_is_listed_twice() -> None:
    faults = [(one.file, one.old, one.new) for mutants in LISTS.values() for one in mutants]
    assert len(set(faults)) == len(faults)


def test_only_a_fault_that_no_test_notices_survives(tree: Path) -> None:
    noticed, unnoticed = mutant("2 * x", "3 * x"), mutant("3 * x", "2 * x")
    assert run([unnoticed, noticed], tree) == [unnoticed]
    assert (tree / "code_of_it.py").read_text() == CODE


def test_a_fault_that_is_not_at_exactly_one_spot_is_refused(tree: Path) -> None:
    with pytest.raises(CannotPlant, match=r"code_of_it.py has ' \* x' 2 times, expected exactly"):
        mutated(mutant(" * x", ""), tree)
    with pytest.raises(CannotPlant, match="0 times"):
        mutated(mutant("four", ""), tree)


def test_where_a_test_fails_without_a_fault_nothing_is_shown(tree: Path) -> None:
    (tree / "test_it.py").write_text(TEST.replace("4", "5"))
    with pytest.raises(NothingShown, match="fails without any fault"):
        run([mutant("2 * x", "3 * x")], tree)


def test_where_no_test_runs_nothing_is_shown(tree: Path) -> None:
    (tree / "test_it.py").write_text("")
    with pytest.raises(NothingShown, match="pytest ended with status 5"):
        run([mutant("2 * x", "3 * x")], tree)


def test_an_unknown_list_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tea"]) == 2
    assert "no such list: ['tea']" in capsys.readouterr().err
