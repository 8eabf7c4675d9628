"""Settings in files, for secrets: `NETMORPH_X_FILE` is the path of the value of `NETMORPH_X`."""

import os
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import InitErrorDetails, PydanticCustomError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

_LARGEST = 64 * 1024  # bytes of a file


class FileSettings(PydanticBaseSettingsSource):
    """Reads the settings whose variables with the suffix `_FILE` name a file.

    White space around the value is removed, as editors end a file with a new line.
    """

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """The text of the file that a field's variable names, or None."""
        name = f"{self.config.get('env_prefix', '')}{field_name}".upper()
        path = os.environ.get(f"{name}_FILE")
        if not path:
            return None, field_name, False
        if os.environ.get(name):
            raise _refused(field_name, path, f"both {name} and {name}_FILE are set: unset one")
        return _read(field_name, path), field_name, False

    def __call__(self) -> dict[str, Any]:
        """The values by the names of their fields."""
        found: dict[str, Any] = {}
        for name, field in self.settings_cls.model_fields.items():
            value, key, _ = self.get_field_value(field, name)
            if value is not None:
                found[key] = value
        return found


class AbstractSettings(BaseSettings):
    """Settings that are read from arguments, then from files, then from the environment."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments, files that variables with the suffix `_FILE` name, the environment."""
        return init_settings, FileSettings(settings_cls), env_settings


def _read(field_name: str, path: str) -> str:
    """The text of a small file."""
    try:
        with Path(path).open("rb") as file:
            content = file.read(_LARGEST + 1)
        text = content.decode().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise _refused(field_name, path, f"the file {path} cannot be read: {error}") from error
    if len(content) > _LARGEST:
        raise _refused(field_name, path, f"the file {path} is larger than {_LARGEST} bytes")
    return text


def _refused(field_name: str, path: str, reason: str) -> ValidationError:
    problem = PydanticCustomError("file", "{reason}", {"reason": reason})
    details = InitErrorDetails(type=problem, loc=(field_name,), input=path)
    return ValidationError.from_exception_data("settings", [details])
