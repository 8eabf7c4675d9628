"""The service against the document of its REST interface, by schemathesis."""

from typing import Any

import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from api.roles import Role

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
#: It holds the connection open.
LEFT_OUT = "/v1/searches/{search_id}/events"
BUILTIN, ASYNC = "/v1/datasets/builtin/digits", {"Prefer": "respond-async"}
few = settings(
    max_examples=1, derandomize=True, database=None, phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)  # fmt: skip


def test_every_answer_is_in_the_document(app, person, world) -> None:
    """A request of each operation; those that read also ask for objects that exist."""
    admin = person(Role.ADMIN)
    search = world.search(admin.caller)
    known = {
        "search_id": str(search),
        "trial_id": str(world.trial(search)),
        "dataset_id": str(world.dataset(admin.caller)),
        "network_id": str(world.network(admin.caller)),
        "operation_id": admin.http.post(BUILTIN, headers=ASYNC).json()["id"],
    }

    def send(case: Any) -> None:
        (case.query or {}).pop("wait", None)  # it would hold the answer back
        headers = {"Authorization": f"Bearer {admin.key}"}
        response = case.call(base_url=str(admin.http.base_url), headers=headers)
        case.validate_response(response, checks=CHECKS)

    def check(case: Any) -> None:
        send(case)
        names = known.keys() & (case.path_parameters or {}).keys()
        if case.method == "GET" and names:
            case.path_parameters |= {name: known[name] for name in names}
            send(case)
        if case.method == "POST" and case.path.startswith("/v1/datasets"):
            case.headers = {**(case.headers or {}), **ASYNC}
            if case.path_parameters:
                case.path_parameters["name"] = "digits"
            send(case)

    for result in schemathesis.openapi.from_dict(app.openapi()).get_all_operations():
        operation = result.ok()
        if operation.path != LEFT_OUT:
            few(given(case=operation.as_strategy())(check))()


def test_a_wrong_method_is_answered_with_all_that_the_path_has(person) -> None:
    http = person().http
    for path, methods in (
        ("/v1/searches", "GET, HEAD, POST"),
        ("/v1/searches/1:stop", "GET, HEAD, POST, PATCH, DELETE"),
    ):
        answer = http.request("PUT", path)
        assert (answer.status_code, set(answer.headers["allow"].split(", "))) == (
            405, set(methods.split(", ")),
        )  # fmt: skip
