"""A closed set of words with meanings: its members are the words, its schema explains them."""

import copy
import pickle

import pytest
from pydantic import BaseModel, Field, ValidationError

from core.protocol.explained_enum import ExplainedEnum


class Light(ExplainedEnum):
    """A traffic light."""

    RED = "red", "wait"
    GREEN = "green", "go"


class Crossing(BaseModel):
    """A place with a light."""

    light: Light = Field(default=Light.RED, description="the light there")


def test_a_member_is_its_word() -> None:
    assert list(Light) == ["red", "green"]
    assert (Light("red"), Light.RED.value, f"{Light.RED}") == (Light.RED, "red", "red")
    assert Light.RED.meaning == "wait"
    assert pickle.loads(pickle.dumps(Light.GREEN)) is copy.deepcopy(Light.GREEN) is Light.GREEN


def test_a_model_takes_and_gives_the_words_alone() -> None:
    crossing = Crossing.model_validate({"light": "green"})
    assert crossing.model_dump_json() == '{"light":"green"}'
    for wrong in ("go", "GREEN", ["red", "wait"]):
        with pytest.raises(ValidationError):
            Crossing.model_validate({"light": wrong})


def test_the_schema_explains_each_word() -> None:
    assert Crossing.model_json_schema()["$defs"]["Light"] == {
        "title": "Light",
        "type": "string",
        "enum": ["red", "green"],
        "description": "A traffic light.\n\n- `red`: wait\n- `green`: go",
    }
