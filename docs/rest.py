"""The reference of the REST interface, made from its OpenAPI document."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from api.app import create_app
from api.edge.document import PROBLEMS
from api.settings import Settings

_INTRODUCTION = """\
# REST interface

Written by `make docs` from the [OpenAPI document](openapi.json), which the service answers at
`/openapi.json` as well; at `/docs` it is a page where you can send requests.

A request carries an API key: `Authorization: Bearer KEY`.
[A table](../security.md#routes-and-roles) lists the roles that each request is open to, and the few
requests that need no key.

Errors are problem documents (RFC 9457): `detail` says what was found and what is expected, `errors`
names the invalid fields.

| status | meaning |
| --- | --- |
{problems}
Lists come in pages: send the `next_cursor` of a page as `cursor` to get the next one. The OpenAPI
document explains the parameters, the fields of the answers and the values of each status and kind;
it has an example of each body and of the main answers.

With `Prefer: respond-async` (RFC 7240) an import of a data set is answered at once, by 202 with an
operation: `GET` the address in `Location`, with `?wait=60` until it has ended, and read its
`dataset_id` or its `problem`. Where its process dies, it has failed after a minute or two with the
status 503: send the request again. Equal content is the same data set, however often it comes.
`POST` to the address with `:cancel` ends an operation that runs; then nothing is stored.

`HEAD` is answered as `GET`, without the content. A search has its version as `ETag`, an export and
an operation a hash: `If-None-Match` answers 304 where nothing has changed, `If-Match` 412 where an
edit or a download is of something else. A download that broke off goes on with `Range: bytes=N-`
and `If-Range: ETAG`; several ranges in one request are answered with the whole file.
"""
_METHODS = ("get", "post", "put", "patch", "delete")
_OPERATIONS = "| request | what it does | parameters | body | answer |"
_FIELDS = "| field | meaning | values | default |"
_REFERENCE = "#/components/schemas/"
#: The limits of a number, a text and a list, in words.
_LIMITS = {
    "exclusiveMinimum": "above {}",
    "minimum": "at least {}",
    "exclusiveMaximum": "below {}",
    "maximum": "at most {}",
    "maxLength": "at most {} characters",
    "maxItems": "at most {} of them",
}

Document = Mapping[str, Any]


def document() -> dict[str, Any]:
    """The OpenAPI document of the service."""
    app = create_app(
        Settings(database_url="postgresql://d@localhost/d", broker_url="redis://localhost/0",
                 storage_url="file:///nowhere")
    )  # fmt: skip
    return app.openapi()


def document_file(of: Document) -> str:
    """The document as a file in which a change is a change of few lines."""
    return json.dumps(of, indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def page(of: Document) -> str:
    """The page: a table for each group of operations, then one for each body."""
    groups: dict[str, list[str]] = {}
    for row in _operations(of):
        groups.setdefault(row[0], []).append(row[1])
    problems = "".join(f"| {int(status)} | {text} |\n" for status, text in PROBLEMS.items())
    parts = [_INTRODUCTION.format(problems=problems)]
    for name, rows in groups.items():
        parts.append(f"## {name.capitalize()}\n\n{_table(_OPERATIONS, rows)}")
    schemas = of["components"]["schemas"]
    parts.append("## Bodies\n\nUnknown fields are refused.\n")
    parts += [_body(name, schemas) for name in _bodies(of)]
    return "\n".join(parts)


# --- operations ---------------------------------------------------------------------------------


def _operations(of: Document) -> Iterator[tuple[str, str]]:
    """The group and the row of each operation."""
    for path, methods in of["paths"].items():
        for method in _METHODS:
            if operation := methods.get(method):
                yield operation["tags"][0], _operation(f"{method.upper()} {path}", operation)


def _operation(request: str, operation: Document) -> str:
    description = operation.get("description", operation["summary"])
    body = _body_name(operation)
    cells = [
        f"`{request}`",
        _line(description),
        ", ".join(f"`{one['name']}`" for one in operation.get("parameters", ())),
        f"[`{name}`](#{_anchor(body)})" if (name := _title(body)) else "",
        _answer(operation["responses"]),
    ]
    return " | ".join(["", *cells, ""]).strip()


def _body_name(operation: Document) -> str:
    """The name of the schema of a request's body; empty where it has none."""
    for content in operation.get("requestBody", {}).get("content", {}).values():
        return _name(content["schema"])
    return ""


def _answer(responses: Document) -> str:
    """The statuses of success, each with the schema of its body."""
    found = [status for status in sorted(responses) if status.startswith("2")]
    return ", or ".join(_success(status, responses[status]) for status in found)


def _success(status: str, response: Document) -> str:
    content = response.get("content", {}).get("application/json", {})
    name = _name(content.get("schema", {}))
    return f"{status} `{name}`" if name else status


def _name(schema: Document) -> str:
    """The name of the schema that this one refers to, alone or among others."""
    for one in (schema, *schema.get("anyOf", ()), *schema.get("allOf", ())):
        if "$ref" in one:
            return str(one["$ref"]).removeprefix(_REFERENCE)
    return ""


def _title(name: str) -> str:
    """The name of a schema for people; FastAPI calls forms `Body_upload_dataset_v1_…`."""
    form = re.fullmatch(r"Body_(.+)_v1_.+", name)
    return form[1].replace("_", "-") if form else name


def _anchor(name: str) -> str:
    return _title(name).lower()


def _line(text: str) -> str:
    """The text as one cell of a table."""
    return " ".join(text.split()).replace("|", "\\|")


# --- bodies -------------------------------------------------------------------------------------


def _bodies(of: Document) -> list[str]:
    """The schemas of all bodies and of the objects in them, by their titles."""
    todo = {_body_name(one) for path in of["paths"].values() for one in path.values()} - {""}
    found: set[str] = set()
    while todo:
        name = todo.pop()
        found.add(name)
        properties = of["components"]["schemas"][name].get("properties", {}).values()
        todo |= {_name(one) or _name(one.get("items", {})) for one in properties} - {""} - found
    objects = (name for name in found if "properties" in of["components"]["schemas"][name])
    return sorted(objects, key=_anchor)


def _body(name: str, schemas: Document) -> str:
    schema = schemas[name]
    required = schema.get("required", ())
    rows = [
        f"| `{field}` | {_line(one.get('description', ''))} | {_values(one, schemas)} | "
        f"{'required' if field in required else _default(one)} |"
        for field, one in schema["properties"].items()
    ]
    parts = [f"### {_title(name)}", _line(schema.get("description", "")), _table(_FIELDS, rows)]
    return "\n\n".join(filter(None, parts))


def _default(field: Document) -> str:
    value = field.get("default")
    return "" if value is None or isinstance(value, dict | list) else f"`{json.dumps(value)}`"


def _values(field: Document, schemas: Document) -> str:
    """What a field may hold, in words."""
    options = [one for one in field.get("anyOf", [field]) if one.get("type") != "null"]
    return "; or ".join(_value(one, schemas) for one in options)


def _value(one: Document, schemas: Document) -> str:
    if name := _name(one):
        if "properties" in schemas[name]:
            return f"[`{_title(name)}`](#{_anchor(name)})"
        return _value(schemas[name], schemas)
    if "enum" in one or "const" in one:
        return ", ".join(f"`{value}`" for value in one.get("enum", [one.get("const")]))
    kind = one.get("format") or one.get("type", "any value")
    if "items" in one:
        kind = f"list of {_values(one['items'], schemas)}"
    limits = [words.format(f"{one[key]:,.15g}") for key, words in _LIMITS.items() if key in one]
    return ", ".join([kind, *limits])


def _table(head: str, rows: list[str]) -> str:
    lines = [head, "| --- " * (head.count("|") - 1) + "|", *rows]
    return "\n".join(lines) + "\n"
