"""The facts that a search gives for the model card of its exported network."""

HISTORY = {
    "search": "Columns & <b>rows</b>",
    "of_number": 17,
    "validation": 0.8125,
    "validation_std": 0.0123,
    "trials_completed": 23,
    "trials_inherited": 19,
    "lineage": ["root", "widen layer 1 from 4 to 8 filters"],
    "strategy": "bayesian",
    "seed": 4711,
    "created": "2026-01-01T00:00:00+00:00",
    "search_id": "00000000-0000-4000-8000-000000000017",
    "config": {
        "task": "image-classification",
        "budget": {"trials": 23, "seconds": 600.0},
        "seed": 4711,
    },
    "latency": 0.00123,
    "device": "cpu",
    "precision": "fp32 channels-last",
}
