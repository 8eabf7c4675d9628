"""The API process is killed while it imports a data set in the background."""

from pathlib import Path
from typing import Any

import numpy as np

from netmorph.client import Client
from tests.running_service import ADMIN_KEY, RunningService

IMAGES = np.random.default_rng(0).integers(0, 256, (150_000, 28, 28), dtype=np.uint8)

#: As if the process had been silent for longer than it may be.
LATER = "UPDATE operations SET heard_at = heard_at - interval '2 minutes' RETURNING id"


def test_an_import_whose_process_is_killed_has_failed_and_can_be_sent_again(
    service_without_worker: RunningService, tmp_path: Path
) -> None:
    service, path = service_without_worker, tmp_path / "many.npz"
    np.savez(path, x=IMAGES, y=np.arange(len(IMAGES)) % 10)
    folder = service.storage / "datasets"

    def unfinished() -> list[Path]:
        return [one for one in folder.glob(".*") if one.stat().st_size]

    with path.open("rb") as file:
        begun = service.http.post(
            "/v1/datasets",
            files={"file": ("data", file)},
            data={"name": "many"},
            headers={"Prefer": "respond-async"},
        )
    assert begun.status_code == 202
    service.wait_until(unfinished)
    service.stop_api()
    service.rows(LATER)
    service.start_api()

    def ended() -> dict[str, Any] | None:
        found = service.http.get(begun.headers["location"]).json()
        return None if found["status"] == "running" else found

    failed = service.wait_until(ended)
    assert (failed["status"], failed["problem"]["status"]) == ("failed", 503)
    assert "has died: send the request again" in failed["problem"]["detail"]

    with Client(service.url, ADMIN_KEY) as client:
        stored = client.add_dataset(path, "many")
        assert stored["train_examples"] + stored["test_examples"] == len(IMAGES)
        client.delete_dataset(stored["id"])
