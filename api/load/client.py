"""Simulated workers that speak HTTP with the API, each on its own connection.

A client as small as possible, as it shares two cores with the server that it measures: a library
(httpx, aiohttp) takes more time for a request than the API does.
"""

import asyncio
import json
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any
from uuid import UUID, uuid4

JsonObject = Mapping[str, Any]
RETRIED = frozenset({429, 503})  # the server is busy: wait and try again


class Connection:
    """A kept-alive HTTP/1.1 connection that sends JSON."""

    def __init__(self, port: int, key: str) -> None:
        self._port, self._key = port, key
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def post(self, path: str, body: JsonObject) -> tuple[int, bytes]:
        """Status and body of the answer; raises OSError where there is none."""
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self._port)
        reader, writer = self._streams
        content = json.dumps(body).encode()
        head = (
            f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {self._key}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
        )
        try:
            writer.write(head.encode() + content)
            return await self._answer(reader)
        except (OSError, asyncio.IncompleteReadError, ValueError) as error:
            self.close()
            raise OSError(str(error)) from error

    def close(self) -> None:
        """Forget the connection; the next request makes another."""
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None

    @staticmethod
    async def _answer(reader: asyncio.StreamReader) -> tuple[int, bytes]:
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        status = int(head.split(b" ", 2)[1])
        _, found, rest = head.partition(b"content-length:")
        length = int(rest.split(b"\r\n", 1)[0]) if found else 0
        return status, await reader.readexactly(length)


@dataclass(slots=True)
class Tally:
    """What all workers together have seen."""

    accepted: list[tuple[UUID, int]] = field(default_factory=list)  # trial, attempt
    accepted_at: list[float] = field(default_factory=list)  # on the clock of time.monotonic
    statuses: Counter[int] = field(default_factory=Counter)
    failures: int = 0  # requests without an answer
    seconds: dict[str, list[float]] = field(default_factory=dict)  # of answered calls, by kind


@dataclass(slots=True)
class SimulatedWorker:
    """Leases trials, takes `trial_seconds` for each, and reports as a worker does."""

    connection: Connection
    tally: Tally
    ends: float  # on the clock of time.monotonic
    trial_seconds: float
    heartbeat_seconds: float
    rng: Random
    at_once: bool = False  # its trials begin and end with those of all other workers
    poll_seconds: float = 1.0  # until it asks again where no trial waits, in the mean
    identity: dict[str, Any] = field(
        default_factory=lambda: {
            "worker_id": str(uuid4()), "boot_id": str(uuid4()), "name": "load", "device": "cpu",
        }
    )  # fmt: skip

    async def run(self) -> None:
        """Train one trial after the other until the time is up."""
        await asyncio.sleep(0 if self.at_once else self.rng.random() * self.trial_seconds)
        while time.monotonic() < self.ends:
            found = await self._call("lease", "/v1/worker/lease", self.identity)
            order = json.loads(found) if found else None
            if order is None:
                await asyncio.sleep(self.poll_seconds * (0.5 + self.rng.random()))
            while order is not None:
                order = await self._train(order)
        self.connection.close()

    async def _train(self, order: JsonObject) -> JsonObject | None:
        """Train a trial; the next order, if the answer to the result has one."""
        lease = {"attempt": order["attempt"], "token": order["token"]}
        path = f"/v1/worker/trials/{order['trial_id']}"
        share = 1.0 if self.at_once else 0.5 + self.rng.random()
        due = time.monotonic() + self.trial_seconds * share
        while (left := due - time.monotonic()) > self.heartbeat_seconds:
            await asyncio.sleep(min(left, self.heartbeat_seconds))
            await self._call("heartbeat", f"{path}/heartbeat", lease | {"step": 1})
        await asyncio.sleep(max(0.0, left))
        epoch = {"epoch": 1, "seconds": 1.0, "validation_metric": 0.5}
        result: dict[str, Any] = {"status": "completed", "value": 0.5, "last_epochs": [epoch]}
        if time.monotonic() < self.ends:
            result["next"] = self.identity
        answer = await self._call("result", f"{path}/result", lease | result)
        if answer is None:
            return None
        self.tally.accepted.append((UUID(order["trial_id"]), order["attempt"]))
        self.tally.accepted_at.append(time.monotonic())
        following: JsonObject | None = json.loads(answer).get("next")
        return following

    async def _call(self, kind: str, path: str, body: JsonObject) -> bytes | None:
        """The body of a successful answer; None where it was refused, or there was none."""
        while time.monotonic() < self.ends + 30:
            began = time.perf_counter()
            try:
                status, content = await self.connection.post(path, body)
            except OSError:
                self.tally.failures += 1
                await asyncio.sleep(1 + self.rng.random())
                continue
            self.tally.statuses[status] += 1
            if status not in RETRIED:
                self.tally.seconds.setdefault(kind, []).append(time.perf_counter() - began)
                return content if status in {200, 204} else None
            await asyncio.sleep(1 + self.rng.random())
        return None
