"""Messages and configurations as released: later releases must load them with the same meaning.

A new message needs a golden file: write one by hand from `MODEL(...).model_dump_json(indent=2)`,
with every field filled in. A message with new fields gets another, `MODEL.REVISION.json`.
"""

import json
import pkgutil
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from core.protocol import contracts
from core.protocol.contracts.message import Config, Message

FOLDER = Path(__file__).parents[2] / "assets" / "contracts"
MODULES = (
    import_module(f"{contracts.__name__}.{module.name}")
    for module in pkgutil.iter_modules(contracts.__path__)
)
MODELS = {
    name: model
    for module in MODULES
    for name, model in vars(module).items()
    if isinstance(model, type)
    and issubclass(model, Message | Config)
    and model not in (Message, Config)
}

GOLDEN = sorted(path.stem for path in FOLDER.glob("*.json"))
every_golden = pytest.mark.parametrize("name", GOLDEN)


def golden(name: str) -> dict:
    found = json.loads((FOLDER / f"{name}.json").read_text())
    assert isinstance(found, dict)
    return found


def model(name: str) -> type[Message | Config]:
    return MODELS[name.partition(".")[0]]


def test_each_message_has_its_golden_file():
    assert {name for name in GOLDEN if "." not in name} == set(MODELS)


@pytest.mark.parametrize("kind", MODELS)
def test_every_field_is_in_some_golden_file(kind):
    filled = {field for name in GOLDEN if model(name) is MODELS[kind] for field in golden(name)}
    assert filled == set(MODELS[kind].model_fields)


@every_golden
def test_a_released_message_loads_and_says_the_same(name):
    loaded = model(name).model_validate_json(json.dumps(golden(name)))
    assert said(json.loads(loaded.model_dump_json()), golden(name)) == golden(name)


def said(written: Any, released: Any) -> Any:
    """What is written, without the fields that were not there when it was released."""
    if isinstance(written, dict) and isinstance(released, dict):
        return {field: said(written[field], value) for field, value in released.items()}
    return written


@every_golden
def test_unknown_fields(name):
    text = json.dumps(golden(name) | {"of_a_newer_release": 1})
    if issubclass(model(name), Message):
        assert model(name).model_validate_json(text) == model(name).model_validate(golden(name))
    else:
        with pytest.raises(ValidationError, match="of_a_newer_release"):
            model(name).model_validate_json(text)


@every_golden
def test_a_field_that_is_needed_is_named(name):
    for field, info in model(name).model_fields.items():
        if info.is_required():
            less = {key: value for key, value in golden(name).items() if key != field}
            with pytest.raises(ValidationError, match=field):
                model(name).model_validate_json(json.dumps(less))


@every_golden
def test_no_number_is_nan(name):
    for field, value in golden(name).items():
        if isinstance(value, float):
            with pytest.raises(ValidationError, match=field):
                model(name).model_validate(golden(name) | {field: float("nan")})
