"""A worker's settings: what is required, what is refused, and where its files are."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from worker.settings import Settings

REQUIRED = {
    "api_url": "http://controller:8000",
    "worker_key": "netmorph_" + "k" * 43,
    "broker_url": "redis://broker:6379/0",
    "storage_url": "file:///storage",
}


@pytest.fixture(autouse=True)
def no_environment(monkeypatch) -> None:
    """Unset the NETMORPH_ variables of the process that runs the tests."""
    for name in Settings.model_fields:
        monkeypatch.delenv(f"NETMORPH_{name.upper()}", raising=False)


def test_the_required_settings_suffice_and_the_others_have_defaults():
    settings = Settings(**REQUIRED)
    assert settings.device == "auto"
    assert settings.threads >= 1
    assert settings.trainer_command[1:] == ("-P", "-m", "worker.trainer")
    assert settings.heartbeat_seconds < settings.hang_seconds


@pytest.mark.parametrize("name", list(REQUIRED))
def test_a_required_setting_that_is_missing_is_refused(name):
    with pytest.raises(ValidationError, match=name):
        Settings(**{key: value for key, value in REQUIRED.items() if key != name})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("api_url", "controller:8000"),
        ("worker_key", ""),
        ("worker_name", "x" * 129),
        ("device", "tpu"),
        ("threads", 0),
        ("poll_seconds", 0),
        ("hang_seconds", float("inf")),
        ("trials_per_trainer", 0),
        ("trainer_command", ()),
        ("log_level", "LOUD"),
    ],
)
def test_a_setting_out_of_range_is_refused(name, value):
    with pytest.raises(ValidationError, match=name):
        Settings(**REQUIRED | {name: value})


def test_settings_come_from_variables_with_a_prefix(monkeypatch):
    for name, value in REQUIRED.items():
        monkeypatch.setenv(f"NETMORPH_{name.upper()}", value)
    monkeypatch.setenv("NETMORPH_POLL_SECONDS", "7")
    settings = Settings()
    assert (settings.api_url, settings.poll_seconds) == (REQUIRED["api_url"], 7.0)


def test_the_key_is_not_printed():
    assert REQUIRED["worker_key"] not in repr(Settings(**REQUIRED))


def test_the_health_file_is_kept_with_the_state_or_else_in_the_cache(tmp_path: Path):
    settings = Settings(**REQUIRED, worker_name="gpu 1", cache_dir=tmp_path / "cache")
    assert settings.health_file == tmp_path / "cache" / "worker-gpu_1.alive"
    settings = settings.model_copy(update={"state_dir": tmp_path / "state"})
    assert settings.health_file == tmp_path / "state" / "worker-gpu_1.alive"
