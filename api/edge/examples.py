"""An example of each JSON body of a request, for the document of the REST interface.

The keys are names of models. `tests/docs/test_openapi.py` fails where a request's body has no
example, or one that its model refuses.
"""

from collections.abc import Mapping
from typing import Any

_WORKER = "0f8c4b1e-5d1a-4c53-9a57-2f1f5f0c9b61"
_LEASE = {"attempt": 1, "token": "7b6f2a35-0c7e-4f1c-8f5d-3c1f0a9d2e48"}
_SHA256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
_EPOCH = {"epoch": 5, "seconds": 41.5}

#: Bodies of requests.
REQUESTS: Mapping[str, Mapping[str, Any]] = {
    "SearchIn": {
        "dataset": "digits",
        "name": "digits, small networks",
        "budget": {"trials": 40, "seconds": 3600},
        "parallelism": 2,
        "cost": "parameters",
        "training": {"epochs": 20, "optimiser": "adamw"},
        "bounds": {"parameters": 500_000},
    },
    "LimitsIn": {"trials": 80, "parallelism": 4, "priority": "high"},
    "SearchPatch": {"tags": ["digits", "small"], "note": "for the demonstration", "shared": True},
    "WebhookIn": {
        "name": "chat",
        "url": "https://example.org/netmorph",
        "events": ["search.completed", "search.failed"],
    },
    "CollectionIn": {"dry_run": True},
    "KeyIn": {"name": "Ada", "role": "user", "expires_at": "2100-01-01T00:00:00Z"},
    "RotateIn": {"grace_seconds": 3600},
    "LeaseRequest": {
        "worker_id": _WORKER,
        "boot_id": "c2a9e1d4-8e57-4b0b-a7d6-6a4f3b2c1d90",
        "name": "gpu-1",
        "device": "NVIDIA H100 80GB HBM3",
        "threads": 8,
        "exports": True,
        "memory": 80_000_000_000,
    },
    "Heartbeat": {**_LEASE, "step": 1200},
    "EpochReport": {
        **_LEASE,
        **_EPOCH,
        "train_loss": 0.21,
        "validation_loss": 0.25,
        "validation_metric": 0.93,
        "learning_rate": 0.0008,
    },
    "CheckpointReport": {
        **_LEASE,
        **_EPOCH,
        "blob": {"key": f"checkpoints/{_SHA256}.pt", "sha256": _SHA256, "bytes": 1_840_128},
    },
    "HandBack": _LEASE,
    "TrialResult": {
        **_LEASE,
        "status": "completed",
        "value": 0.94,
        "value_std": 0.012,
        "validation_loss": 0.22,
        "precision": "bf16 channels-last",
        "weights": {"key": f"weights/{_SHA256}.safetensors", "sha256": _SHA256, "bytes": 912_640},
        "epochs": 20,
        "best_epoch": 18,
        "seconds": 166.2,
        "samples_per_second": 5200.0,
        "latency": 0.0004,
        "parameters": 228_106,
    },
}
