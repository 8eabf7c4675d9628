"""Imports in the background whose process is killed, or whose client is interrupted."""

import signal
import subprocess
from pathlib import Path
from typing import Any

import numpy as np

from netmorph.client import Client
from tests.netmorph.conftest import NETMORPH, clean_environment
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


def test_ctrl_c_of_an_upload_cancels_its_import_and_leaves_no_file(
    service_without_worker: RunningService, tmp_path: Path
) -> None:
    service, path = service_without_worker, tmp_path / "wide.csv"
    names = ",".join(f"c{column}" for column in range(1_500))  # to read them takes seconds
    rows = IMAGES.ravel()[:1_500_000].reshape(1_000, 1_500).tolist()
    lines = [f"{','.join(map(str, row))},{'ab'[n % 2]}" for n, row in enumerate(rows)]
    path.write_text("\n".join([f"{names},label", *lines]))
    before = service.http.get("/v1/datasets").json()["items"]
    folder = service.storage / "datasets"
    left = {*folder.glob(".*")}  # by a process that was killed, until they are swept

    def newest() -> dict[str, Any]:
        return dict(next(iter(service.http.get("/v1/operations").json()["items"]), {}))

    last = newest().get("id")
    command = [*NETMORPH, "dataset", "add", str(path), "--url", service.url, "--key", ADMIN_KEY]
    with subprocess.Popen(
        command,
        env=clean_environment(),
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a shell's job ignores it
    ) as process:
        service.wait_until(lambda: newest().get("id") != last or process.poll() is not None)
        for _ in range(10):  # until the command, too, has its answer
            assert newest()["status"] == "running"
        process.send_signal(signal.SIGINT)
        said = process.communicate(timeout=60)[1]

    assert process.returncode == 130, said
    assert said.endswith("the import is cancelled, and nothing is stored\n")
    assert (newest()["status"], newest()["problem"]["status"]) == ("cancelled", 409)
    service.wait_until(lambda: {*folder.glob(".*")} <= left)
    assert service.http.get("/v1/datasets").json()["items"] == before
