"""Settings in files: read for both programs, and refused with the reason."""

from pathlib import Path

import pytest
from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import SettingsConfigDict

from api.settings import Settings as ApiSettings
from core.protocol.file_settings import AbstractSettings
from worker.settings import Settings as WorkerSettings


class Example(AbstractSettings):
    """A program's settings."""

    model_config = SettingsConfigDict(env_prefix="EXAMPLE_", extra="ignore")

    key: SecretStr = Field(min_length=1)
    number: int = 3


@pytest.fixture
def key_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file with a key, which the environment names."""
    path = tmp_path / "key"
    path.write_text("secret\n")
    monkeypatch.setenv("EXAMPLE_KEY_FILE", str(path))
    return path


def test_a_value_comes_from_the_file_and_is_converted(key_file, tmp_path, monkeypatch) -> None:
    (tmp_path / "number").write_text(" 7 \n")
    monkeypatch.setenv("EXAMPLE_NUMBER_FILE", str(tmp_path / "number"))
    made = Example()  # type: ignore[call-arg]
    assert (made.key.get_secret_value(), made.number) == ("secret", 7)


def test_an_argument_goes_before_a_file(key_file) -> None:
    assert Example(key=SecretStr("given")).key.get_secret_value() == "given"


def test_a_variable_and_a_file_for_it_are_refused_together(key_file, monkeypatch) -> None:
    monkeypatch.setenv("EXAMPLE_KEY", "other")
    with pytest.raises(ValidationError, match="both EXAMPLE_KEY and EXAMPLE_KEY_FILE are set"):
        Example()  # type: ignore[call-arg]


def test_an_empty_variable_beside_a_file_does_not_matter(key_file, monkeypatch) -> None:
    monkeypatch.setenv("EXAMPLE_KEY", "")
    assert Example().key.get_secret_value() == "secret"  # type: ignore[call-arg]


@pytest.mark.parametrize("content", [None, b"\xff\xfe", b"x" * 70_000])
def test_a_file_that_cannot_be_used_is_refused_with_its_path(key_file, content) -> None:
    key_file.unlink() if content is None else key_file.write_bytes(content)
    with pytest.raises(ValidationError, match=f"the file {key_file} ") as raised:
        Example()  # type: ignore[call-arg]
    assert raised.value.errors()[0]["loc"] == ("key",)


def test_an_empty_file_is_an_empty_value(key_file) -> None:
    key_file.write_text("\n")
    with pytest.raises(ValidationError, match="at least 1"):
        Example()  # type: ignore[call-arg]


@pytest.mark.parametrize("settings", [ApiSettings, WorkerSettings])
def test_both_programs_read_the_workers_key_from_a_file(settings, tmp_path, monkeypatch) -> None:
    (tmp_path / "key").write_text("netmorph_secret\n")
    monkeypatch.setenv("NETMORPH_WORKER_KEY_FILE", str(tmp_path / "key"))
    monkeypatch.delenv("NETMORPH_WORKER_KEY", raising=False)
    rest = {"broker_url": "redis://h", "storage_url": "memory://"}
    own = {
        ApiSettings: {"database_url": "postgresql://h/n"},
        WorkerSettings: {"api_url": "http://h"},
    }
    made = settings(**rest, **own[settings])
    assert made.worker_key.get_secret_value() == "netmorph_secret"
