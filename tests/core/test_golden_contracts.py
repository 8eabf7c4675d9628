"""Messages and configurations as released: they must load for ever, and mean the same.

A new field needs no change here. A new message needs a golden file: write one by hand from
`MODEL(...).model_dump_json(indent=2)`, with every field filled in.
"""

import json
from pathlib import Path

import pytest
from pydantic import ValidationError

from core import contracts
from core.contracts import Config, Message

FOLDER = Path(__file__).parents[1] / "assets" / "contracts"
MODELS = {
    name: model
    for name, model in vars(contracts).items()
    if isinstance(model, type)
    and issubclass(model, Message | Config)
    and model not in (Message, Config)
}


def golden(name: str) -> dict:
    found = json.loads((FOLDER / f"{name}.json").read_text())
    assert isinstance(found, dict)
    return found


def test_each_has_its_golden_file():
    assert {path.stem for path in FOLDER.glob("*.json")} == set(MODELS)


@pytest.mark.parametrize("name", MODELS)
def test_a_released_message_loads_and_says_the_same(name):
    written = json.loads(
        MODELS[name].model_validate_json(json.dumps(golden(name))).model_dump_json()
    )
    assert {field: written[field] for field in golden(name)} == golden(name)


@pytest.mark.parametrize("name", MODELS)
def test_unknown_fields(name):
    text = json.dumps(golden(name) | {"of_a_newer_release": 1})
    if issubclass(MODELS[name], Message):
        assert MODELS[name].model_validate_json(text) == MODELS[name].model_validate(golden(name))
    else:
        with pytest.raises(ValidationError, match="of_a_newer_release"):
            MODELS[name].model_validate_json(text)


@pytest.mark.parametrize("name", MODELS)
def test_a_field_that_is_needed_is_named(name):
    for field, info in MODELS[name].model_fields.items():
        if info.is_required():
            less = {key: value for key, value in golden(name).items() if key != field}
            with pytest.raises(ValidationError, match=field):
                MODELS[name].model_validate_json(json.dumps(less))


@pytest.mark.parametrize("name", MODELS)
def test_no_number_is_nan(name):
    for field, value in golden(name).items():
        if isinstance(value, float):
            with pytest.raises(ValidationError, match=field):
                MODELS[name].model_validate(golden(name) | {field: float("nan")})
