"""Examples of the main answers, for the document of the REST interface.

The keys are names of schemas; an example stands at its schema, so that each answer that has the
schema shows it. All tell of one search on the digits. `tests/docs/test_openapi.py` fails where an
example is not what the service would send.
"""

from collections.abc import Mapping
from typing import Any

from core.protocol.contracts.bounds import Bounds
from core.protocol.contracts.budgets import Budget
from core.protocol.contracts.hyperparameters import Hyperparameters
from core.protocol.contracts.training import Training

_SEARCH_ID = "3d8c2f4e-7a90-4d2b-8a53-5f2e6c1b9d04"
_ROOT_ID = "a1c45e0b-6f7d-4f0e-9b7c-08d2c3f4e5a6"
_TRIAL_ID = "b7e0d6f2-1c3a-4e58-8d94-6a5b4c3d2e1f"
_DATASET_ID = "5b1f0c7d-2e3a-4b6c-9d8e-7f6a5b4c3d2e"
_WORKER_ID = "0f8c4b1e-5d1a-4c53-9a57-2f1f5f0c9b61"
_OPERATION_ID = "c2b7a9d4-3e61-4f0d-8a25-9b1c7e5d3f60"
_OWNER_ID = "e4d3c2b1-a098-4765-8432-10fedcba9876"
_IMPORTED, _CREATED, _STARTED = (f"2026-03-02T{at}Z" for at in ("08:58:30", "09:00:00", "09:00:04"))
_SUGGESTED, _LEASED, _ENDED, _NOW = (
    f"2026-03-02T{at}Z" for at in ("09:02:10", "09:02:11", "09:02:53", "09:10:00")
)
_PRECISION = "bf16 channels-last"
_NAMES = {"number": 1, "search_id": _SEARCH_ID}
_VALUE = {"value": 0.9722, "value_std": 0.0097}
_SIZE = {"parameters": 43_178, "flops": 408_384, "latency": 0.0004}
_FOUND = {"trial_id": _TRIAL_ID, "number": 1, **_VALUE}


def _network(filters: int) -> dict[str, Any]:
    """The JSON of a chain of layers for the digits; `filters` of its first convolution."""
    layers: list[dict[str, Any]] = [
        {"kind": "input", "shape": [1, 8, 8]},
        {"kind": "conv2d", "filters": filters, "kernel": 3, "stride": 1},
        {"kind": "batch_norm"},
        {"kind": "relu"},
        {"kind": "max_pool2d", "size": 2, "stride": 2},
        {"kind": "conv2d", "filters": 32, "kernel": 3, "stride": 1},
        {"kind": "batch_norm"},
        {"kind": "relu"},
        {"kind": "flatten"},
        {"kind": "dense", "units": 64},
        {"kind": "relu"},
        {"kind": "dropout", "rate": 0.2},
        {"kind": "dense", "units": 10},
        {"kind": "output"},
    ]
    chain = enumerate(layers)
    nodes = [{"id": n, **one, "inputs": [n - 1] if n else []} for n, one in chain]
    return {"version": 1, "nodes": nodes}


_SEARCH = {
    "id": _SEARCH_ID,
    "name": "digits, small networks",
    "tags": ["digits", "small"],
    "note": "for the demonstration",
    "owner": {"id": _OWNER_ID, "name": "Ada"},
    "shared": True,
    "dataset": {"id": _DATASET_ID, "name": "digits"},
    "task": "image-classification",
    "strategy": "bayesian",
    "strategy_options": {},
    "metric": "accuracy",
    "in_percent": True,
    "larger_is_better": True,
    "cost": "parameters",
    "status": "running",
    "reason": "",
    "budget": Budget(trials=40, seconds=3600).model_dump(mode="json"),
    "parallelism": 2,
    "priority": "normal",
    "seed": 7,
    "training": Training(epochs=20).model_dump(mode="json"),
    "bounds": Bounds(parameters=500_000).model_dump(mode="json"),
    "root": None,
    "keep_accuracy": False,
    "int8": False,
    "kept": "",
    "root_name": None,
    "version": 31,
    "created_at": _CREATED,
    "started_at": _STARTED,
    "ended_at": None,
    "now": _NOW,
    "used": {"trials": 12, "epochs": 240, "seconds": 596.0},
    "trial_counts": {"completed": 11, "infeasible": 1, "running": 2},
    "trials_inherited": 9,
    "compute_in_winner": None,
    "best": {**_FOUND, "parameters": _SIZE["parameters"], "measures": {}},
    "final": None,
    "seconds_left": 3100.0,
}
_TRIAL = {
    "id": _TRIAL_ID,
    **_NAMES,
    "kind": "search",
    "status": "completed",
    "attempt": 1,
    "reason": "",
    "network_id": None,
    "parent_id": _ROOT_ID,
    "parent_number": 0,
    "morphisms": [
        {
            "kind": "widen",
            "text": "widen convolution 1 from 16 to 32 channels",
            "data": {"kind": "widen", "node_id": 1, "extra": 16, "segment": 0},
        }
    ],
    "choices": {},
    "changes": "",
    "members": [],
    "ensemble": "",
    "inherited": True,
    "remark": "",
    "fingerprint": "2700764cfb14103ba98d8f75d3733941",
    "layers": 14,
    **_SIZE,
    **_VALUE,
    "predicted_mean": 0.9681,
    "predicted_std": 0.0124,
    "validation_loss": 0.11,
    "measures": {},
    "precision": _PRECISION,
    "comparison": None,
    "epochs": 20,
    "best_epoch": 18,
    "step": None,
    "seconds": 41.5,
    "samples_per_second": 624.0,
    "worker": "gpu-1",
    "worker_id": _WORKER_ID,
    "created_at": _SUGGESTED,
    "started_at": _LEASED,
    "ended_at": _ENDED,
}
_DATASET = {
    "id": _DATASET_ID,
    "name": "digits",
    "version": 1,
    "builtin": True,
    "task": "image-classification",
    "input_shape": [1, 8, 8],
    "classes": 10,
    "class_names": [str(digit) for digit in range(10)],
    "target_names": [],
    "train_examples": 1438,
    "test_examples": 359,
    "layout": "NHW",
    "bytes": 116_340,
    "created_at": _IMPORTED,
    "uploaded_at": _IMPORTED,
    "description": {
        "format": "built-in",
        "task": "image-classification",
        "task_reason": "each example has one of 10 labels",
        "kind": "images",
        "layout": "NHW",
        "layout_reason": "built in",
        "values": "uint8",
        "least": 0.0,
        "greatest": 16.0,
        "splits": [
            {
                "name": "train",
                "examples": 1438,
                "by_class": [142, 146, 142, 146, 145, 146, 145, 143, 139, 144],
                "given": True,
                "groups": 0,
            },
            {
                "name": "test",
                "examples": 359,
                "by_class": [36, 36, 35, 37, 36, 36, 36, 36, 35, 36],
                "given": True,
                "groups": 0,
            },
        ],
        "targets": [],
        "repetitions": {
            "in_train": 0,
            "in_test": 0,
            "leaked": 0,
            "validation_leaked": 0,
            "contradictory": 0,
        },
        "columns": [],
        "notes": [],
        "warnings": [],
        "summary": [
            "1,797 grey images of 8 × 8 pixels (axes NHW: built in)",
            "10 classes of 174 to 183 examples: 0, 1, 2, 3, 4, 5, …",
            "1,438 examples to train on, 359 to test on (as in the files)",
            "values from 0 to 16 (uint8, kept as uint8)",
            "task classification: each example has one of 10 labels",
        ],
    },
}
_WORKER = {
    "id": _WORKER_ID,
    "name": "gpu-1",
    "device": "NVIDIA H100 80GB HBM3",
    "threads": 8,
    "memory": 80_000_000_000,
    "memory_exceeded": None,
    "memory_fitted": 1_240_000_000,
    "seen_at": _NOW,
    "draining": False,
    "problem": "",
    "resting_until": None,
    "trial_id": None,
    "precision": _PRECISION,
    "samples_per_second": 610.0,
}
_PROBLEM_OF_WORKER = {
    "trial_id": _ROOT_ID,
    "number": 0,
    "kind": "search",
    "search_id": _SEARCH_ID,
    "search_name": _SEARCH["name"],
    "attempt": 1,
    "reason": "the worker fell silent",
    "tried_again": True,
    "ended_at": "2026-03-02T09:01:20Z",
}

ANSWERS: Mapping[str, Mapping[str, Any]] = {
    "SearchOut": _SEARCH,
    "TrialOut": _TRIAL,
    "TrialDetail": {
        **_TRIAL,
        "architecture": _network(32),
        "parent_architecture": _network(16),
        "hyperparameters": Hyperparameters(epochs=20, augmentation="affine").model_dump(
            mode="json"
        ),
    },
    "OperationOut": {
        "id": _OPERATION_ID,
        "kind": "upload",
        "name": "digits",
        "status": "failed",
        "step": "",
        "dataset_id": None,
        "problem": {
            "type": "about:blank",
            "title": "Unprocessable Entity",
            "status": 422,
            "detail": "x has 100 examples and y 99 labels (train); expected as many",
        },
        "created_at": _IMPORTED,
        "ended_at": _CREATED,
    },
    "FrontOut": {
        "metric": "accuracy",
        "cost": "parameters",
        "items": [
            {
                "trial_id": _ROOT_ID,
                "number": 0,
                "value": 0.9514,
                "value_std": 0.0127,
                "parameters": 38_378,
                "flops": 238_400,
                "latency": 0.0003,
            },
            {**_FOUND, **_SIZE},
        ],
        "root": None,
    },
    "DatasetOut": _DATASET,
    "WorkerOut": _WORKER,
    "WorkerDetail": {
        **_WORKER,
        "last_day": {"completed": 11, "failed": 1, "problems": [_PROBLEM_OF_WORKER]},
    },
    "Problem": {
        "type": "about:blank",
        "title": "Unprocessable Entity",
        "status": 422,
        "detail": "parallelism: Input should be greater than or equal to 1; found 0",
        "errors": [
            {
                "field": "parallelism",
                "message": "Input should be greater than or equal to 1; found 0",
            }
        ],
    },
}
