"""The client's answer types have the fields, types and required fields of the OpenAPI document."""

import types
from typing import Any, Union, get_args, get_origin, get_type_hints, is_typeddict

import pytest

from api.app import create_app
from api.settings import Settings
from core.protocol.states import LIVE_SEARCH, SearchStatus
from netmorph import answers

SCHEMAS: dict[Any, str] = {
    answers.Dataset: "DatasetOut",
    answers.Description: "DatasetDescription",
    answers.SplitFacts: "SplitFacts",
    answers.TargetFacts: "TargetFacts",
    answers.ColumnFacts: "ColumnFacts",
    answers.Repetitions: "Repetitions",
    answers.Intake: "IntakeOut",
    answers.Operation: "OperationOut",
    answers.Network: "NetworkOut",
    answers.Enqueued: "EnqueuedOut",
    answers.Queued: "QueuedOut",
    answers.DatasetRef: "DatasetRef",
    answers.Amount: "AmountOut",
    answers.Garbage: "GarbageOut",
    answers.Budget: "Budget",
    answers.Bounds: "Bounds",
    answers.Training: "Training",
    answers.Used: "Used",
    answers.Best: "Best",
    answers.Comparison: "ComparisonOut",
    answers.Final: "FinalOut",
    answers.OwnerRef: "OwnerRef",
    answers.Search: "SearchOut",
    answers.Morphism: "MorphismOut",
    answers.Trial: "TrialOut",
    answers.TrialExport: "TrialExportOut",
    answers.Epoch: "EpochOut",
    answers.RootFacts: "RootOut",
    answers.Preview: "SearchPreview",
    answers.FrontPoint: "FrontPoint",
    answers.Front: "FrontOut",
    answers.Worker: "WorkerOut",
    answers.WorkerProblem: "WorkerProblem",
    answers.WorkerDay: "WorkerDay",
    answers.WorkerDetail: "WorkerDetail",
    answers.WorkerTrial: "WorkerTrial",
    answers.Key: "KeyOut",
    answers.CreatedKey: "KeyCreated",
    answers.Webhook: "WebhookOut",
    answers.CreatedWebhook: "WebhookCreated",
    answers.Delivery: "DeliveryOut",
}
NAMES = {str: "string", int: "integer", float: "number", bool: "boolean", type(None): "null"}


@pytest.fixture(scope="module")
def schemas() -> dict[str, Any]:
    """The schemas of the service's OpenAPI document by name."""
    settings = Settings(
        database_url="postgresql://nowhere/none",
        broker_url="redis://nowhere",
        storage_url="memory://",
    )
    return create_app(settings).openapi()["components"]["schemas"]


def name_of_type(kind: Any) -> str:
    """A Python type as JSON Schema describes it."""
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        return " or ".join(sorted(map(name_of_type, arguments)))
    if origin is list:
        return f"array of {name_of_type(arguments[0])}"
    if origin is dict:
        return f"object of {name_of_type(arguments[1])}"
    if is_typeddict(kind):
        return SCHEMAS[kind]
    return "anything" if kind is Any else NAMES[kind]


def name_of_schema(schema: Any, schemas: dict[str, Any]) -> str:
    """A JSON schema in the same form; an enumeration counts as its values' type."""
    if schema is True:
        return "anything"
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return str(schemas[name]["type"]) if "enum" in schemas[name] else name
    if "anyOf" in schema:
        return " or ".join(sorted(name_of_schema(one, schemas) for one in schema["anyOf"]))
    if schema["type"] == "array":
        return f"array of {name_of_schema(schema['items'], schemas)}"
    if schema["type"] == "object":
        return f"object of {name_of_schema(schema['additionalProperties'], schemas)}"
    return str(schema["type"])


def test_every_answer_type_is_compared() -> None:
    declared = {value for value in vars(answers).values() if is_typeddict(value)}

    assert declared == set(SCHEMAS)


@pytest.mark.parametrize("answer", SCHEMAS, ids=SCHEMAS.values())
def test_an_answer_type_has_the_fields_of_its_schema(answer: Any, schemas: dict[str, Any]) -> None:
    schema = schemas[SCHEMAS[answer]]

    ours = {name: name_of_type(kind) for name, kind in get_type_hints(answer).items()}
    served = {name: name_of_schema(field, schemas) for name, field in schema["properties"].items()}
    assert ours == served


@pytest.mark.parametrize("answer", SCHEMAS, ids=SCHEMAS.values())
def test_an_answer_type_requires_what_its_schema_requires(
    answer: Any, schemas: dict[str, Any]
) -> None:
    assert answer.__required_keys__ == set(schemas[SCHEMAS[answer]].get("required", ()))


def test_a_search_has_ended_in_every_state_that_is_not_live() -> None:
    assert {str(status) for status in set(SearchStatus) - LIVE_SEARCH} == answers.ENDED
