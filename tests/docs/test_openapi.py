"""The OpenAPI document explains every operation, parameter and field, and shows every body."""

import json
import pkgutil
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from pydantic import BaseModel

from api import schemas
from core import morphisms
from core.graph.architecture import Architecture
from core.protocol import contracts
from core.protocol.explained_enum import ExplainedEnum

#: As committed; another test compares it with that of the running interface.
DOCUMENT = json.loads((Path(__file__).parents[2] / "docs/reference/openapi.json").read_text())
SCHEMAS: dict[str, Any] = DOCUMENT["components"]["schemas"]
METHODS = ("get", "post", "put", "patch", "delete")
OPERATIONS: dict[str, Any] = {
    f"{method.upper()} {path}": methods[method]
    for path, methods in DOCUMENT["paths"].items()
    for method in METHODS
    if method in methods
}
JSON = "application/json"


def _content(operation: dict[str, Any]) -> dict[str, Any]:
    """The content of a request's body by media type."""
    content: dict[str, Any] = operation.get("requestBody", {}).get("content", {})
    return content


ANSWERS = {name: one["examples"] for name, one in SCHEMAS.items() if "examples" in one}
MAIN = {"SearchOut", "TrialOut", "TrialDetail", "FrontOut", "DatasetOut", "WorkerOut", "Problem"}
BODIES = [name for name, one in OPERATIONS.items() if JSON in _content(one)]


MODULES = (
    import_module(f"{package.__name__}.{module.name}")
    for package in (contracts, schemas)
    for module in pkgutil.iter_modules(package.__path__)
)
MODELS = {
    name: one
    for module in MODULES
    for name, one in vars(module).items()
    if isinstance(one, type) and issubclass(one, BaseModel)
}


def references(schema: dict[str, Any]) -> list[str]:
    """The names of the schemas that this one is, alone or beside null."""
    choices = [schema, *schema.get("allOf", ()), *schema.get("anyOf", ())]
    return [one["$ref"].rpartition("/")[2] for one in choices if "$ref" in one]


def is_described(schema: dict[str, Any]) -> bool:
    """Whether a schema has a description, or is one that has."""
    named = references(schema)
    return bool(schema.get("description") or (named and all(map(has_description, named))))


def has_description(name: str) -> bool:
    """Whether the schema of this name has a description."""
    return bool(SCHEMAS[name].get("description"))


def words(schema: Any, description: str = "") -> Iterator[tuple[str, str]]:
    """Each word of each closed set of a schema, with the description that is nearest to it."""
    if isinstance(schema, list):
        for one in schema:
            yield from words(one, description)
    elif isinstance(schema, dict):
        description = str(schema.get("description", description))
        yield from ((str(one), description) for one in schema.get("enum", ()))
        for one in schema.values():
            yield from words(one, description)


@pytest.mark.parametrize("name", OPERATIONS)
def test_an_operation_is_explained(name: str) -> None:
    assert OPERATIONS[name].get("summary")
    assert OPERATIONS[name].get("description")


@pytest.mark.parametrize("name", OPERATIONS)
def test_a_parameter_is_explained(name: str) -> None:
    parameters = OPERATIONS[name].get("parameters", ())

    assert [one["name"] for one in parameters if not one.get("description")] == []


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_schema_and_its_fields_are_explained(name: str) -> None:
    fields = SCHEMAS[name].get("properties", {})

    assert [field for field, one in fields.items() if not is_described(one)] == []
    assert SCHEMAS[name].get("description") or name.startswith("Body_")  # a form


def test_each_word_of_a_closed_set_is_explained() -> None:
    found = list(words(DOCUMENT))

    assert {"paused", "trial.best", "affine-flip", "-created_at"} < {word for word, _ in found}
    assert [word for word, description in found if f"`{word}`" not in description] == []
    sets = ExplainedEnum.__subclasses__()
    assert [one for words_of in sets for one in words_of if not one.meaning] == []


@pytest.mark.parametrize("name", BODIES)
def test_the_example_of_a_body_is_accepted(name: str) -> None:
    content = _content(OPERATIONS[name])[JSON]
    (model,) = references(content["schema"])
    assert "example" in content, "expected one in api/edge/examples.py"

    accepted = MODELS[model].model_validate_json(json.dumps(content["example"]))

    assert accepted.model_dump(mode="json", exclude_unset=True) == content["example"]


def test_the_main_answers_have_examples() -> None:
    assert ANSWERS.keys() >= MAIN


@pytest.mark.parametrize("name", ANSWERS)
def test_the_example_of_an_answer_is_valid_and_complete(name: str) -> None:
    (example,) = ANSWERS[name]
    schema = {"$ref": f"#/components/schemas/{name}", "components": DOCUMENT["components"]}

    jsonschema.Draft202012Validator(schema).validate(example)

    if name in MODELS:
        sent = MODELS[name].model_validate(example)
        assert sent.model_dump(mode="json") == example
    else:
        assert example.keys() == SCHEMAS[name]["properties"].keys()


def test_the_facts_of_the_example_of_a_trial_are_those_of_its_architecture() -> None:
    (example,) = ANSWERS["TrialDetail"]
    parent = Architecture.from_json(example["parent_architecture"])
    (step,) = example["morphisms"]
    morphism = morphisms.from_json(step["data"])

    architecture = morphism.apply(parent)

    assert architecture.to_json() == example["architecture"]
    assert morphism.describe(parent) == step["text"]
    facts = ("fingerprint", "parameters", "flops")
    assert [getattr(architecture, name) for name in facts] == [example[name] for name in facts]
    assert len(architecture.nodes) == example["layers"]
