"""The document of the REST interface, with the errors of every operation, and examples."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI

from api.edge import examples
from api.edge.answer_examples import ANSWERS
from api.edge.errors import MEDIA_TYPE

_JSON = "application/json"
_METHODS = ("get", "post", "put", "patch", "delete")

#: The statuses of problem documents that any operation may answer, and when.
PROBLEMS = {
    HTTPStatus.BAD_REQUEST: "the request cannot be read",
    HTTPStatus.UNAUTHORIZED: "no key, or one that opens nothing",
    HTTPStatus.FORBIDDEN: "the key's role may not do this, or a quota is exceeded",
    HTTPStatus.NOT_FOUND: "there is no such object, or it belongs to somebody else",
    HTTPStatus.REQUEST_TIMEOUT: "the body did not arrive in time",
    HTTPStatus.CONFLICT: "the state of the object forbids this",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "the body is too large",
    HTTPStatus.UNPROCESSABLE_ENTITY: "invalid input: `errors` names the fields",
    HTTPStatus.TOO_MANY_REQUESTS: "too many requests: wait for `Retry-After` seconds",
    HTTPStatus.INTERNAL_SERVER_ERROR: "a defect of the service: its log has the details",
    HTTPStatus.SERVICE_UNAVAILABLE: "not possible at present: wait for `Retry-After` seconds",
}

_FORMS = frozenset({"multipart/form-data", "application/x-www-form-urlencoded"})
_PROBLEM = {
    "title": "Problem",
    "description": "A problem document (RFC 9457).",
    "type": "object",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string", "description": "always `about:blank`: `title` says it"},
        "title": {"type": "string", "description": "the status in words"},
        "status": {"type": "integer", "description": "the status of the response"},
        "detail": {"type": "string", "description": "what was found and what is expected"},
        "errors": {
            "description": "the invalid fields of the request",
            "type": "array",
            "items": {
                "type": "object",
                "required": ["field", "message"],
                "properties": {
                    "field": {"type": "string", "description": "the name of the field"},
                    "message": {"type": "string", "description": "what is wrong with it"},
                },
            },
        },
    },
}


def install(app: FastAPI) -> None:
    """Let the app's document list the problem documents of every operation, and examples."""
    without = app.openapi

    def openapi() -> dict[str, Any]:
        is_complete = app.openapi_schema is not None
        document = without()
        return document if is_complete else _with_examples(_closed(_with_problems(document)))

    app.openapi = openapi  # type: ignore[method-assign]


def _with_problems(document: dict[str, Any]) -> dict[str, Any]:
    """The document, changed in place: FastAPI keeps it for the next request."""
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    schemas["Problem"] = _PROBLEM
    for name in ("HTTPValidationError", "ValidationError"):  # FastAPI's own, which we do not send
        schemas.pop(name, None)
    for path in document["paths"].values():
        for method in path.keys() & set(_METHODS):
            responses = path[method]["responses"]
            for status, reason in PROBLEMS.items():
                if status != HTTPStatus.UNPROCESSABLE_ENTITY and str(int(status)) in responses:
                    continue
                responses[str(int(status))] = {"description": reason, "content": content}
    return document


def _closed(document: dict[str, Any]) -> dict[str, Any]:
    """The document, changed in place: a form has no further fields (`queries`)."""
    schemas = document["components"]["schemas"]
    for path in document["paths"].values():
        for method in path.keys() & set(_METHODS):
            content = path[method].get("requestBody", {}).get("content", {})
            for kind in content.keys() & _FORMS:
                name = content[kind]["schema"]["$ref"].rpartition("/")[2]
                schemas[name] = schemas[name] | {"additionalProperties": False}
    return document


def _with_examples(document: dict[str, Any]) -> dict[str, Any]:
    """The document, changed in place, with examples of requests' JSON bodies and of answers."""
    for path in document["paths"].values():
        for method in path.keys() & set(_METHODS):
            content = path[method].get("requestBody", {}).get("content", {})
            _add_example(content.get(_JSON, {}), examples.REQUESTS)
    schemas = document["components"]["schemas"]
    for name in ANSWERS.keys() & schemas.keys():
        schemas[name] = schemas[name] | {"examples": [ANSWERS[name]]}
    return document


def _add_example(content: dict[str, Any], known: Mapping[str, Any]) -> None:
    """Add the example of a body's schema, where one is known."""
    schema = content.get("schema", {})
    for one in (schema, *schema.get("anyOf", ())):
        name = one.get("$ref", "").rpartition("/")[2]
        if name in known:
            content["example"] = known[name]
