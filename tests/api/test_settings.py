"""Settings: read from the environment, checked, and never shown with their secrets."""

from typing import Any

import pytest
from pydantic import ValidationError

from api.settings import DatabaseSettings, Settings

GIVEN = {"broker_url": "redis://nowhere", "storage_url": "memory://"}


def settings(**values: Any) -> Settings:
    return Settings(**(GIVEN | {"database_url": "postgresql://u:p@h/n"} | values))


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg"])
def test_an_address_of_postgres_gets_its_driver(scheme: str) -> None:
    made = DatabaseSettings(database_url=f"{scheme}://u:p@h:5432/n")
    assert made.database_url == "postgresql+psycopg://u:p@h:5432/n"


@pytest.mark.parametrize("url", ["mysql://h/n", "postgresql", "", "h:5432/n"])
def test_any_other_address_is_refused(url: str) -> None:
    with pytest.raises(ValidationError, match=r"expected an address postgresql://…"):
        DatabaseSettings(database_url=url)


def test_host_names_are_separated_by_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NETMORPH_ALLOWED_HOSTS", " a.example, b.example ,,")
    assert settings().allowed_hosts == ("a.example", "b.example")


@pytest.mark.parametrize(
    "values",
    [
        {"lease_seconds": 0},
        {"lease_seconds": float("nan")},
        {"max_attempts": 0},
        {"max_attempts": 101},
        {"max_upload_bytes": 0},
        {"suggest_processes": 0},
        {"log_format": "xml"},
        {"log_level": "LOUD"},
    ],
)
def test_a_setting_out_of_range_is_refused(values: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match=next(iter(values))):
        settings(**values)


def test_secrets_are_not_printed_and_settings_do_not_change() -> None:
    made = settings(admin_key="netmorph_secret", worker_key="netmorph_other")
    assert "netmorph_secret" not in repr(made)
    assert made.admin_key.get_secret_value() == "netmorph_secret"
    with pytest.raises(ValidationError, match="frozen"):
        made.max_attempts = 9  # type: ignore[misc]
