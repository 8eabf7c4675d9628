"""`netmorph track` on a real service; `tests/e2e/test_tracking.py` has trials to write."""

from tests.netmorph.commands.conftest import refused


def test_a_search_without_trials_writes_no_run(ask, search, tmp_path) -> None:
    told = ask("track", search["id"], "--tensorboard", tmp_path / "runs")
    assert told == {"search_id": search["id"], "tensorboard": {"trials": 0, "points": 0}}


def test_an_empty_address_of_mlflow_is_refused(netmorph, service, search) -> None:
    """Such as that of a variable of the shell which is not set."""
    ended = netmorph("track", search["id"], "--mlflow", "", "--data-dir", service.directory)
    assert "invalid address of MLflow ''" in refused(ended)
