"""A client of the REST interface.

    with Client("http://127.0.0.1:8000", key) as client:
        search = client.create_search({"dataset": "digits", "budget": {"trials": 12}})

Every call may raise `RefusedRequest` (the service refused the request), `Unreachable` (no service
answered, even after retries) or `ClientError` (something else than Netmorph answered). What passes
is retried for up to two minutes: a lost connection, a restart of the service, "too many requests"
(`netmorph.retries`). What creates something is retried too, as it carries an idempotency key.
"""

import tempfile
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from importlib import import_module
from ipaddress import ip_address
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar, cast
from urllib.parse import urlsplit

import httpx

from netmorph.answers import (
    ENDED,
    CreatedKey,
    CreatedWebhook,
    Dataset,
    Delivery,
    Enqueued,
    Epoch,
    Front,
    Garbage,
    Intake,
    Key,
    Network,
    Operation,
    Preview,
    Queued,
    Search,
    Trial,
    TrialExport,
    Webhook,
    Worker,
    WorkerDetail,
    WorkerTrial,
)
from netmorph.downloads import PartialFile
from netmorph.errors import ClientError, RefusedRequest, Unreachable, in_words
from netmorph.operations import PREFERENCE, ImportInterrupted, OnStep, dataset_of
from netmorph.responses import json_of, refusal_of
from netmorph.retries import Retries

_TIMEOUT = httpx.Timeout(30.0, connect=5.0)
_UPLOAD_TIMEOUT = httpx.Timeout(600.0, connect=5.0)
_CANCEL_TIMEOUT = httpx.Timeout(5.0)
_SLOWEST = 4 * 2**20  # bytes a second in which a busy service converts a data set
_WAIT = 20.0  # seconds that the service holds a request for changes open
_PAUSE = 0.2  # least seconds between two such requests for an export
_IMPORTS = 3  # times that a file is sent whose import ends with its service
_LIVE_TRIAL = {"waiting", "running"}
_T = TypeVar("_T")


class Client:
    """The searches, data sets and keys that one API key gives access to."""

    def __init__(self, url: str, key: str, *, transport: httpx.BaseTransport | None = None) -> None:
        """Connect to a service when the first request is sent.

        Args:
            url: Address of the service, such as "http://127.0.0.1:8000".
            key: API key.
            transport: How requests are sent, for tests; None: over the network.

        Raises:
            ClientError: the address or the key cannot be one.
        """
        self.url = _checked_url(url)
        self._retries = Retries()
        self._http = httpx.Client(
            base_url=self.url,
            headers={"Authorization": f"Bearer {_checked_key(key)}"},
            timeout=_TIMEOUT,
            trust_env=not _is_loopback(self.url),  # this machine is never behind a proxy
            transport=transport,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    # --- searches -----------------------------------------------------------------------------

    def create_search(self, body: Mapping[str, Any]) -> Search:
        """Create a search; `body` is the body of `POST /v1/searches`."""
        return cast(Search, self._create("/v1/searches", dict(body)))

    def preview_search(self, body: Mapping[str, Any]) -> Preview:
        """Check a search and return its roots and expected times; nothing is created."""
        return cast(Preview, json_of(self._send("POST", "/v1/searches:validate", json=dict(body))))

    def search(self, search_id: str) -> Search:
        """Return the current state of a search."""
        return cast(Search, json_of(self._send("GET", f"/v1/searches/{search_id}")))

    def changed_search(self, search: Search, seconds: float = _WAIT) -> Search:
        """Wait for a change, at most this long; return the new state, or `search` without one."""
        path = f"/v1/searches/{search['id']}"
        parameters = {"since": search["version"], "wait": seconds}
        answer = self._send("GET", path, params=parameters)
        return search if answer.status_code == 304 else cast(Search, json_of(answer))

    def wait(self, search_id: str, seconds: float | None = None) -> Search:
        """Wait until a search has ended or is paused, at most this long; return its last state."""
        search = self.search(search_id)
        end = None if seconds is None else time.monotonic() + seconds
        while search["status"] not in ENDED and search["status"] != "paused":
            left = _WAIT if end is None else min(_WAIT, end - time.monotonic())
            if left <= 0:
                break
            search = self.changed_search(search, left)
        return search

    def searches(self, tags: Iterable[str] = (), *, own: bool = False) -> Iterator[Search]:
        """Return your searches and the shared ones with each of these tags, the newest first.

        With `own`, those that were created with your key alone.
        """
        chosen = {"own": ["true"]} if own else {}
        return cast(Iterator[Search], self._pages("/v1/searches", tag=list(tags), **chosen))

    def edit_search(self, search_id: str, **changes: str | bool | list[str]) -> Search:
        """Change the `name`, the `tags` (all of them) or the `note` of a search.

        `shared=True` lets all users of the service read it, `shared=False` only you and admins.
        """
        answer = self._send("PATCH", f"/v1/searches/{search_id}", json=changes)
        return cast(Search, json_of(answer))

    def enqueue(self, search_id: str, network_id: str) -> Enqueued:
        """Let an uploaded network become the next trial of a search."""
        answer = self._send("PUT", f"/v1/searches/{search_id}/enqueued/{network_id}")
        return cast(Enqueued, json_of(answer))

    def enqueued(self, search_id: str) -> list[Queued]:
        """The networks that wait for their trial of a search, the next one first."""
        return cast(list[Queued], self._items(f"/v1/searches/{search_id}/enqueued"))

    def withdraw(self, search_id: str, network_id: str) -> None:
        """Remove a network from the queue of a search before its trial is made."""
        self._delete(f"/v1/searches/{search_id}/enqueued/{network_id}")

    def pause(self, search_id: str) -> Search:
        """Pause a search: running trials end, no further ones start."""
        return self._act(search_id, "pause")

    def resume(self, search_id: str) -> Search:
        """Continue a paused search."""
        return self._act(search_id, "resume")

    def stop(self, search_id: str) -> Search:
        """Stop a search permanently, with its running trials."""
        return self._act(search_id, "stop")

    def finish(self, search_id: str) -> Search:
        """Finish a search early: running trials end, then the best one is trained and exported."""
        return self._act(search_id, "finish")

    def extend(self, search_id: str, **limits: float | str) -> Search:
        """Give a search new limits in full: `trials`, `epochs`, `seconds`, `parallelism`.

        A completed or stopped search runs on. `priority` (low, normal, or high for admins)
        alone changes which waiting trials are leased first, until the search is over.
        """
        answer = self._send("POST", f"/v1/searches/{search_id}:extend", json=limits)
        return cast(Search, json_of(answer))

    def delete(self, search_id: str) -> None:
        """Delete a search and its trials."""
        self._delete(f"/v1/searches/{search_id}")

    def trials(self, search_id: str) -> Iterator[Trial]:
        """Return the trials of a search, ordered by number."""
        return cast(Iterator[Trial], self._pages(f"/v1/searches/{search_id}/trials"))

    def figure(self, search_id: str, name: str) -> dict[str, Any]:
        """Return a figure of a search for Plotly.

        Names: `best-so-far`, `learning-curves`, `front`, `predictions`, `calibration`, `timeline`.
        """
        answer = self._send("GET", f"/v1/searches/{search_id}/figures/{name}")
        return cast(dict[str, Any], json_of(answer))

    def epochs(self, trial_id: str) -> list[Epoch]:
        """Return the epochs of a trial, attempt by attempt."""
        return list(
            cast(Iterator[Epoch], self._pages(f"/v1/trials/{trial_id}/epochs", limit=["500"]))
        )

    def stop_trial(self, trial_id: str) -> Trial:
        """Stop one trial; its search goes on."""
        return cast(Trial, json_of(self._send("POST", f"/v1/trials/{trial_id}:stop")))

    def front(self, search_id: str) -> Front:
        """Return the Pareto front of a search, against its cost or else the parameters."""
        return cast(Front, json_of(self._send("GET", f"/v1/searches/{search_id}/front")))

    def trial(self, search_id: str, number: int) -> Trial:
        """Return the trial of a search with this number; ClientError where there is none."""
        last = -1
        for item in self.trials(search_id):
            last = item["number"]
            if last == number:
                return item
        made = f"expected 0 to {last}" if last >= 0 else "it has no trials yet"
        raise ClientError(f"the search has no trial {number}; {made}")

    def order_export(self, trial_id: str) -> TrialExport:
        """Have the network of a trial exported, unless it is already; return how far that is."""
        return cast(TrialExport, json_of(self._send("POST", f"/v1/trials/{trial_id}/export")))

    def trial_export(self, trial_id: str) -> TrialExport:
        """Return how far the export of a trial is."""
        return cast(TrialExport, json_of(self._send("GET", f"/v1/trials/{trial_id}/export")))

    def trial_exports(self, search_id: str) -> list[TrialExport]:
        """The exports of single trials of a search, in the order of their orders."""
        return cast(list[TrialExport], self._items(f"/v1/searches/{search_id}/exports"))

    def changes_of_export(self, ordered: TrialExport) -> Iterator[TrialExport]:
        """The export of a trial now and after each change, until it has ended."""
        yield ordered
        search = self.search(ordered["search_id"])
        while (state := self.trial_export(ordered["trial_id"]))["status"] in _LIVE_TRIAL:
            yield state
            time.sleep(_PAUSE)
            search = self.changed_search(search)
        yield state

    def export(self, search_id: str, trial: int) -> TrialExport:
        """Have the trial with this number exported and wait until it is; return its test.

        `download_export(search_id, target, trial)` then writes its file. Raises ClientError where
        no export could be made.
        """
        ordered = self.order_export(self.trial(search_id, trial)["id"])
        *_, ended = self.changes_of_export(ordered)
        return require_exported(ended)

    def download_export(self, search_id: str, target: Path, trial: int | None = None) -> None:
        """Write the zip archive with the exported network to the file `target`.

        Without a `trial` it is that of the search; with its number the export of a trial.
        """
        if trial is None:
            self._download(f"/v1/searches/{search_id}/export", target)
        else:
            self.download_trial_export(self.trial(search_id, trial)["id"], target)

    def download_trial_export(self, trial_id: str, target: Path) -> None:
        """Write the zip archive with the exported network of a trial to the file `target`."""
        self._download(f"/v1/trials/{trial_id}/export/file", target)

    def _download(self, path: str, target: Path) -> None:
        """Write a file of the service to a file here.

        A broken connection costs what had not arrived; patience begins again with each part.
        """
        part = PartialFile(target)
        while True:
            before = part.size
            try:
                return self._retried(lambda: self._fetch(path, part))
            except Unreachable:
                if part.size <= before:
                    raise

    def _fetch(self, path: str, part: PartialFile) -> None:
        """Write the rest of a file of the service."""
        with self._http.stream("GET", path, headers=part.headers) as answer:
            self._retries.note_answer()
            if not answer.is_success:
                answer.read()
                raise refusal_of(answer)
            part.write(answer)

    # --- data sets, workers and keys ----------------------------------------------------------

    def datasets(self) -> Iterator[Dataset]:
        """Return all data sets, the newest first."""
        return cast(Iterator[Dataset], self._pages("/v1/datasets"))

    def workers(self) -> list[Worker]:
        """Return the workers of the last day, with the trial that each trains."""
        return cast(list[Worker], self._items("/v1/workers"))

    def worker(self, worker_id: str) -> WorkerDetail:
        """Return a worker with the trials and failures of its last day, those you may read."""
        return cast(WorkerDetail, json_of(self._send("GET", f"/v1/workers/{worker_id}")))

    def worker_trials(self, worker_id: str) -> Iterator[WorkerTrial]:
        """Return the trials that ended at a worker within a week, the latest first."""
        return cast(Iterator[WorkerTrial], self._pages(f"/v1/workers/{worker_id}/trials"))

    def drain_worker(self, worker_id: str, *, undo: bool = False) -> Worker:
        """Give a worker no more trials, or with `undo` trials again."""
        verb = "undrain" if undo else "drain"
        return cast(Worker, json_of(self._send("POST", f"/v1/workers/{worker_id}:{verb}")))

    def count_live_workers(self, seconds: float) -> int:
        """Count the workers that were seen within the last `seconds`, by this machine's clock."""
        now = datetime.now(UTC)
        seen = (datetime.fromisoformat(worker["seen_at"]) for worker in self.workers())
        return sum((now - one).total_seconds() < seconds for one in seen)

    def dataset(self, name_or_id: str) -> Dataset:
        """Return a data set by its id, or the one of this name that was uploaded last."""
        if (found := newest_dataset(self.datasets(), name_or_id)) is None:
            raise ClientError(
                f"there is no data set {name_or_id!r}; `netmorph dataset ls` lists them"
            )
        return found

    def delete_dataset(self, dataset_id: str) -> None:
        """Delete a data set that no search uses."""
        self._send("DELETE", f"/v1/datasets/{dataset_id}")

    def intake(self) -> Intake:
        """Return the limits, formats and rules of uploads."""
        return cast(Intake, json_of(self._send("GET", "/v1/datasets/intake")))

    def add_dataset(
        self,
        path: Path,
        name: str,
        fields: Mapping[str, str | list[str]] | None = None,
        on_step: OnStep = lambda step: None,
    ) -> Dataset:
        """Upload a file as a data set; `fields` are further ones of the form.

        The same file again is the same data set: it is sent again where the service ends before it
        has imported it. `on_step` is called with what the service does with the file, while it
        imports it. Ctrl-C cancels the import. Raises RefusedRequest for a file that is no data set,
        and where the import is cancelled.
        """

        def upload() -> httpx.Response:
            with path.open("rb") as file:
                return self._answer(
                    "POST",
                    "/v1/datasets",
                    files={"file": ("data", file, "application/octet-stream")},
                    data={"name": name, **(fields or {})},
                    headers=PREFERENCE,
                    timeout=_upload_timeout(path.stat().st_size),
                )

        left = _IMPORTS
        while True:  # patience begins again with each answer: an import may take long
            begun, left = self._retried(upload), left - 1
            try:
                return self._imported(begun, on_step)
            except ImportInterrupted:
                if not left:
                    raise

    def add_arrays(
        self, name: str, fields: Mapping[str, str | list[str]] | None = None, **arrays: Any
    ) -> Dataset:
        """Upload arrays as a data set: `x`, `y` and others that an npz file may hold.

        `fields` and the errors are those of `add_dataset`.
        """
        return self._add_content(_data_files().npz(arrays), name, fields)

    def add_frame(
        self, frame: Any, name: str, fields: Mapping[str, str | list[str]] | None = None
    ) -> Dataset:
        """Upload a data frame of pandas or polars, or a table of Arrow, as a data set.

        `fields` and the errors are those of `add_dataset`, such as `{"target": "price"}`. Raises
        ValueError for anything else than a data frame.
        """
        files = _data_files()
        return self._add_content(files.parquet(files.table_of(frame)), name, fields)

    def _add_content(
        self, content: bytes, name: str, fields: Mapping[str, str | list[str]] | None
    ) -> Dataset:
        """Upload the content of a file as a data set."""
        with tempfile.TemporaryDirectory(prefix="netmorph-") as folder:
            path = Path(folder) / "data"
            path.write_bytes(content)
            return self.add_dataset(path, name, fields)

    def _imported(self, answer: httpx.Response, on_step: OnStep) -> Dataset:
        """The data set that an upload becomes; an older service answers with it at once."""
        if answer.status_code != httpx.codes.ACCEPTED:
            return cast(Dataset, json_of(answer))
        wait = {"wait": _WAIT}
        dataset_id = dataset_of(
            answer,
            lambda path, headers: self._send("GET", path, params=wait, headers=headers),
            on_step,
            self._give_up,
        )
        return cast(Dataset, json_of(self._send("GET", f"/v1/datasets/{dataset_id}")))

    def _give_up(self, operation_id: str) -> str:
        """Try once to cancel an import, as a user waits for the end; say whether that worked."""
        path = f"/v1/operations/{operation_id}:cancel"
        try:
            self._answer("POST", path, timeout=_CANCEL_TIMEOUT)
        except RefusedRequest as error:
            return f"the service has not cancelled the import: {in_words(error)}"
        except httpx.TransportError:
            return "the service does not answer; it may go on with the import"
        return "the import is cancelled, and nothing is stored"

    def operations(self) -> Iterator[Operation]:
        """Return your imports of the last day that the service carries out, the newest first."""
        return cast(Iterator[Operation], self._pages("/v1/operations"))

    def cancel_operation(self, operation_id: str) -> Operation:
        """Cancel an import that the service carries out; nothing changes where it is cancelled.

        Raises RefusedRequest where it has ended otherwise.
        """
        answer = self._send("POST", f"/v1/operations/{operation_id}:cancel")
        return cast(Operation, json_of(answer))

    def add_network(self, name: str, architecture: str, weights: bytes | None) -> Network:
        """Upload a network for a search to start from: JSON, and the bytes of a safetensors file.

        The same network again is the first one.
        """
        files: dict[str, tuple[str | None, str | bytes]] = {
            "name": (None, name),
            "architecture": (None, architecture),
        }
        if weights is not None:
            files["weights"] = ("weights.safetensors", weights)
        answer = self._send("POST", "/v1/networks", files=files, timeout=_UPLOAD_TIMEOUT)
        return cast(Network, json_of(answer))

    def create_key(self, name: str, role: str, worker: str | None = None) -> CreatedKey:
        """Create an API key, for one `worker` alone if given. No later answer has its secret."""
        body = {"name": name, "role": role} | ({} if worker is None else {"worker": worker})
        return cast(CreatedKey, self._create("/v1/keys", body))

    def list_keys(self) -> list[Key]:
        """Return all API keys, without their secrets."""
        return cast(list[Key], self._items("/v1/keys"))

    def rotate_key(self, key_id: str, grace_seconds: float = 0) -> CreatedKey:
        """Give an API key a new secret; the old one opens for `grace_seconds` more."""
        body = {"grace_seconds": grace_seconds}
        answer = self._once("POST", f"/v1/keys/{key_id}:rotate", json=body)
        return cast(CreatedKey, json_of(answer))

    def create_webhook(self, name: str, url: str, events: list[str]) -> CreatedWebhook:
        """Have events of the searches sent to a URL. No later answer contains the secret."""
        body = {"name": name, "url": url, "events": events}
        return cast(CreatedWebhook, self._create("/v1/webhooks", body))

    def webhooks(self) -> Iterator[Webhook]:
        """All webhooks, without their secrets, the newest first."""
        return cast(Iterator[Webhook], self._pages("/v1/webhooks"))

    def delete_webhook(self, webhook_id: str) -> None:
        """Delete a webhook with its deliveries."""
        self._delete(f"/v1/webhooks/{webhook_id}")

    def deliveries(self, webhook_id: str) -> Iterator[Delivery]:
        """What was sent, or is to be sent, to a webhook, the newest first."""
        return cast(Iterator[Delivery], self._pages(f"/v1/webhooks/{webhook_id}/deliveries"))

    def redeliver(self, webhook_id: str, delivery_id: str) -> Delivery:
        """Send a delivery again soon."""
        path = f"/v1/webhooks/{webhook_id}/deliveries/{delivery_id}:redeliver"
        return cast(Delivery, json_of(self._send("POST", path)))

    def ping_webhook(self, webhook_id: str) -> Delivery:
        """Send a test to a webhook soon."""
        return cast(Delivery, json_of(self._send("POST", f"/v1/webhooks/{webhook_id}:ping")))

    def collect_garbage(self, *, dry_run: bool) -> Garbage:
        """Give up stored files without a use; with `dry_run` only count them."""
        body = {"dry_run": dry_run}
        return cast(Garbage, json_of(self._send("POST", "/v1/storage:collect", json=body)))

    def revoke_key(self, key_id: str) -> None:
        """Revoke an API key at once and permanently."""
        self._send("DELETE", f"/v1/keys/{key_id}")

    def me(self) -> Key:
        """Return the API key that this client sends, without its secret."""
        return cast(Key, json_of(self._send("GET", "/v1/me")))

    # --- sending ------------------------------------------------------------------------------

    def _create(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Create something, once, however often the request arrives."""
        headers = {"Idempotency-Key": str(uuid.uuid4())}
        answer = self._send("POST", path, json=body, headers=headers)
        return cast(dict[str, Any], json_of(answer))

    def _act(self, search_id: str, verb: str) -> Search:
        return cast(Search, json_of(self._send("POST", f"/v1/searches/{search_id}:{verb}")))

    def _pages(self, path: str, **filters: list[str]) -> Iterator[dict[str, Any]]:
        """The items of a list; further pages are requested when needed."""
        cursor = None
        while True:
            parameters = {"limit": 100, **filters} | ({"cursor": cursor} if cursor else {})
            page = json_of(self._send("GET", path, params=parameters))
            yield from page["items"]
            if not (cursor := page.get("next_cursor")):
                return

    def _items(self, path: str) -> list[dict[str, Any]]:
        """The items of a list that has no pages."""
        return list(json_of(self._send("GET", path))["items"])

    def _send(self, method: str, path: str, **rest: Any) -> httpx.Response:
        """Send a request that may arrive twice."""
        return self._retried(lambda: self._answer(method, path, **rest))

    def _once(self, method: str, path: str, **rest: Any) -> httpx.Response:
        """Send a request that must not arrive twice."""
        return self._retried(lambda: self._answer(method, path, **rest), repeatable=False)

    def _delete(self, path: str) -> None:
        """Delete an object; if an earlier try lost its answer, the object may be gone already."""
        tries = 0

        def delete() -> None:
            nonlocal tries
            tries += 1
            try:
                self._answer("DELETE", path)
            except RefusedRequest as problem:
                if tries == 1 or problem.status != httpx.codes.NOT_FOUND:
                    raise

        self._retried(delete)

    def _answer(self, method: str, path: str, **rest: Any) -> httpx.Response:
        answer = self._http.request(method, path, **rest)
        self._retries.note_answer()
        if answer.is_error:
            raise refusal_of(answer)
        return answer

    def _retried(self, call: Callable[[], _T], *, repeatable: bool = True) -> _T:
        try:
            return self._retries.run(call, repeatable=repeatable)
        except httpx.TransportError as error:
            raise self._unreachable(error) from None

    def _unreachable(self, error: httpx.TransportError) -> Unreachable:
        reason = str(error) or type(error).__name__
        return Unreachable(
            f"no service answers at {self.url}: {reason}; check the address, and that the service "
            "is running (`netmorph doctor` checks the set-up)"
        )


def require_exported(ended: TrialExport) -> TrialExport:
    """The export of a trial; raise ClientError where it has ended without a file."""
    if ended["status"] == "completed":
        return ended
    because = f": {ended['reason']}" if ended["reason"] else ""
    raise ClientError(f"the export of trial {ended['number']} is {ended['status']}{because}")


def _data_files() -> Any:
    """The module that writes arrays and frames; it loads Arrow, which no command needs."""
    return import_module("netmorph.data_files")


def newest_dataset(items: Iterable[Dataset], name_or_id: str) -> Dataset | None:
    """The data set of an id, or else the one of a name that was uploaded last, own ones first."""
    named = []
    for item in items:
        if item["id"] == name_or_id:
            return item
        if item["name"] == name_or_id:
            named.append(item)
    return max(named, key=lambda item: (not item["builtin"], item["uploaded_at"]), default=None)


def _upload_timeout(size: int) -> httpx.Timeout:
    """How long the answer to an upload may take: an older service converts the data set first."""
    return httpx.Timeout(600.0 + size / _SLOWEST, connect=5.0)


def _checked_url(url: str) -> str:
    """The address without a trailing slash; raise ClientError if it is none."""
    try:
        parts = urlsplit(url)
        good = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:
        good = False
    if good and parts.username is not None:  # it would replace the key, and appear in messages
        raise ClientError("invalid address: expected none with a user name; give the key by --key")
    if not good:
        raise ClientError(f"invalid address {url!r}: expected something like http://host:port")
    return url.rstrip("/")


def _checked_key(key: str) -> str:
    """The key; raise ClientError if it cannot be sent in a header."""
    if not key or not key.isascii() or not key.isprintable() or " " in key:
        raise ClientError("invalid API key: expected letters, digits, - and _, as in netmorph_abc")
    return key


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
