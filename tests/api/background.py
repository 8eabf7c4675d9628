"""Uploads that are imported in the background, and a gate that holds their imports back."""

import io
import threading
from typing import Any

import httpx
import numpy as np

ASYNC = {"Prefer": "respond-async"}


def npz(classes: int = 2) -> bytes:
    file = io.BytesIO()
    np.savez(file, x=np.zeros((40, 4, 4), np.uint8), y=np.arange(40) % classes)
    return file.getvalue()


def upload(
    http: httpx.Client, content: bytes | None = None, headers: Any = ASYNC, **form: str
) -> httpx.Response:
    """The answer to an upload, by default one that is imported in the background."""
    files = {"file": ("d.npz", npz() if content is None else content)}
    return http.post("/v1/datasets", data={"name": "mine"} | form, files=files, headers=headers)


def ended(http: httpx.Client, answer: httpx.Response) -> dict[str, Any]:
    """The operation that an answer names, once it has ended."""
    assert answer.status_code == 202, answer.text
    found = http.get(answer.headers["location"], params={"wait": 20})
    assert found.status_code == 200, found.text
    operation: dict[str, Any] = found.json()
    assert operation["status"] != "running"
    return operation


class Gate:
    """Holds imports back until it is opened."""

    def __init__(self) -> None:
        self.entered = threading.Semaphore(0)
        self.open = threading.Event()

    def wait_for_entry(self) -> None:
        """Wait until one more import has come to the gate."""
        assert self.entered.acquire(timeout=20)
