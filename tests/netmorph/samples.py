"""Answers of a service: trials, searches, a front, a data set and a key."""

import io
from typing import Any

import httpx
from rich.console import Console

from netmorph.client import Client

SEARCH_ID = "0c0ffee0-0000-4000-8000-000000000001"

ROOT: dict[str, Any] = {
    "id": "t0",
    "search_id": SEARCH_ID,
    "number": 0,
    "kind": "search",
    "status": "completed",
    "attempt": 1,
    "reason": "",
    "parent_id": None,
    "parent_number": None,
    "morphisms": [],
    "inherited": False,
    "parameters": 1234,
    "value": 0.9,
    "value_std": 0.01,
    "epochs": 5,
    "seconds": 61.4,
    "latency": 0.000214,
}
WIDER = ROOT | {
    "id": "t2",
    "number": 2,
    "parent_id": "t0",
    "parent_number": 0,
    "morphisms": [
        {"kind": "widen", "text": "widen convolution 1 from 8 to 16 filters", "data": {}},
        {"kind": "add_skip", "text": "add a skip from 3 to 7", "data": {}},
    ],
    "inherited": True,
    "parameters": 2_345_678,
    "value": 0.95678,
    "seconds": None,
    "latency": None,
}
RUNNING = WIDER | {"id": "t3", "number": 3, "status": "running", "value": None, "epochs": 0}
FINAL = WIDER | {
    "id": "t4", "number": 4, "kind": "final", "parent_id": "t2", "parent_number": 2,
    "morphisms": [], "value": None, "seconds": 7322.0,
}  # fmt: skip
LONGER = WIDER | {
    "id": "t5", "number": 5, "parent_id": "t2", "parent_number": 2, "morphisms": [],
    "precision": "bf16 channels-last",
}  # fmt: skip
COMPARED = {
    "examples": 250, "before": 0.905, "after": 0.912, "exported": "final", "reason": "",
    "text": "the final network has 91.20 % on 250 held-out examples",
}  # fmt: skip
TRIALS = [FINAL, RUNNING, WIDER, ROOT]  # the newest first, as the service lists them

BEST = {"trial_id": "t2", "number": 2, "value": 0.95678, "value_std": 0.0123, "parameters": 7}
SEARCH: dict[str, Any] = {
    "id": SEARCH_ID,
    "name": "a [bold]search :cat:",
    "dataset": {"id": "d", "name": "digits"},
    "task": "image-classification",
    "strategy": "bayesian",
    "strategy_options": {},
    "metric": "accuracy",
    "status": "running",
    "reason": "",
    "budget": {"trials": 8, "epochs": None, "seconds": None},
    "parallelism": 2,
    "seed": 7,
    "version": 1,
    "used": {"trials": 2, "epochs": 10, "seconds": 60.04},
    "trial_counts": {"completed": 2, "running": 1},
    "trials_inherited": 1,
    "best": BEST,
    "final": None,
    "seconds_left": 180.0,
}
FINISHED = SEARCH | {
    "status": "completed",
    "used": {"trials": 8, "epochs": 40, "seconds": 3725.26},
    "trial_counts": {"completed": 8},
    "seconds_left": None,
    "final": {
        "trial_id": "t4", "of_number": 2, "test_metric": 0.97, "test_loss": 0.1,
        "test_examples": 360, "parameters": 2_345_678, "export_bytes": 10,
    },
}  # fmt: skip
COMPLETE = FINISHED | {  # of a service that says how the winner was computed
    "compute_in_winner": 0.3687,
    "final": FINISHED["final"] | {"precision": "bf16", "comparison": COMPARED},
}
REGRESSION = FINISHED | {
    "task": "regression", "metric": "R²", "in_percent": False,
    "best": BEST | {"value": 0.4567, "measures": {"RMSE": 54.321, "MAE": 43.2}},
    "final": FINISHED["final"] | {"test_metric": -0.1, "test_measures": {"RMSE": 60.0}},
}  # fmt: skip
NEW = SEARCH | {
    "status": "pending",
    "budget": {"trials": None, "epochs": None, "seconds": 600.0},
    "used": {"trials": 0, "epochs": 0, "seconds": 0.0},
    "trial_counts": {},
    "trials_inherited": 0,
    "best": None,
    "seconds_left": None,
}


POINT = {"trial_id": "t0", "number": 0, "value": 0.9, "parameters": 1234, "latency": 0.000214}
FRONT = {
    "metric": "accuracy",
    "cost": "latency",
    "items": [
        POINT | {"flops": 9000},
        POINT | {"number": 2, "value": 0.95, "flops": 8000, "latency": 0.0015},
    ],
}

DATASET: dict[str, Any] = {
    "id": SEARCH_ID,
    "name": "[red]digits",
    "version": 1,
    "input_shape": [1, 8, 8],
    "classes": 10,
    "train_examples": 1437,
    "test_examples": 360,
    "bytes": 129_408,
}
KEY: dict[str, Any] = {
    "id": "0dd5eed0-0000-4000-8000-000000000002",
    "name": "me",
    "role": "user",
    "prefix": "netmorph_abc",
    "created_at": "2024-05-06T07:08:09.123Z",
    "revoked_at": None,
    "expires_at": None,
}


def answering(*searches: dict[str, Any]) -> Client:
    """A client whose service answers with these states of the search in turn, and with TRIALS."""
    queue = list(searches)

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/trials"):
            return httpx.Response(200, json={"items": TRIALS, "next_cursor": None})
        return httpx.Response(200, json=queue.pop(0))

    return Client("http://127.0.0.1:1", "netmorph_x", transport=httpx.MockTransport(answer))


def lines_of(out: Console) -> list[str]:
    """The lines printed to a console that writes to memory."""
    assert isinstance(out.file, io.StringIO)
    return out.file.getvalue().splitlines()
