"""Runs of MLflow: a run for the search, and below it one for each trial.

They are found again by tags with the ids of the search and the trial, so that each is made once.
"""

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any

from netmorph.answers import Search, Trial
from netmorph.errors import ClientError
from netmorph.tracking.facts import (
    Point,
    Source,
    Tracked,
    curves,
    package,
    parameters,
    results,
    seconds_of,
    settings,
    title,
    words,
)

SEARCH = "netmorph.search_id"
TRIAL = "netmorph.trial_id"
_BATCH = 500  # metrics in one request; MLflow takes 1000
_PAGE = 1000  # runs in one answer
#: How MLflow calls the end of a search or a trial.
_ENDS = {"completed": "FINISHED", "stopped": "KILLED"}


def to_mlflow(client: Source, search_id: str, uri: str) -> Tracked:
    """Write the trials of a search that have started as runs of MLflow.

    The experiment has the name of the search; a run for the search is the parent of those of the
    trials, which have parameters, metrics by epoch and tags. MLflow takes no number back: where a
    trial was begun again, the epochs that it repeats keep the numbers of the attempt before.

    Args:
        client: Client of the service.
        search_id: Id of the search.
        uri: Address of the tracking server, such as "http://127.0.0.1:5000", or of a database,
            such as "sqlite:///mlflow.db".

    Raises:
        ClientError: the address is empty, mlflow is not installed, or MLflow refused something.
    """
    if not uri:  # MLflow would make a database in the working directory
        raise ClientError("invalid address of MLflow '': expected one such as http://host:5000")
    package("mlflow", "mlflow")
    refusal = import_module("mlflow.exceptions").MlflowException
    try:
        search = client.search(search_id)
        return _Runs(uri, search).update(client)
    except refusal as error:
        raise ClientError(f"MLflow refused: {error}") from None


class _Runs:
    """The runs of one search."""

    def __init__(self, uri: str, search: Search) -> None:
        """Find the runs that are there, and make the parent if it is not."""
        self._entities = import_module("mlflow.entities")
        self._mlflow = import_module("mlflow.tracking").MlflowClient(tracking_uri=uri)
        self._search = search
        self._experiment = self._experiment_of(search["name"])
        self._known = {run.data.tags.get(TRIAL, ""): run for run in self._all()}
        self._parent = self._run("", search["name"], search["started_at"], {})

    def update(self, client: Source) -> Tracked:
        """Add what the runs do not have."""
        trials = points = 0
        for trial in client.trials(self._search["id"]):
            if trial["started_at"] is not None:
                points += self._update_trial(client, trial)
                trials += 1
        self._update_parent()
        return Tracked(trials, points)

    def _experiment_of(self, name: str) -> str:
        """The id of the experiment of this name, which is made if there is none."""
        found = self._mlflow.get_experiment_by_name(name)
        if found is None:
            return str(self._mlflow.create_experiment(name))
        if found.lifecycle_stage != "active":
            raise ClientError(
                f"the experiment {name} of MLflow was deleted: restore it, or rename the search "
                "(`netmorph edit --name`)"
            )
        return str(found.experiment_id)

    def _all(self) -> Iterator[Any]:
        """The runs of the search."""
        token = None
        while True:
            page = self._mlflow.search_runs(
                [self._experiment],
                f"tags.`{SEARCH}` = '{self._search['id']}'",
                max_results=_PAGE,
                page_token=token,
            )
            yield from page
            if not (token := page.token):
                return

    def _run(self, trial_id: str, name: str, started: str | None, tags: Mapping[str, str]) -> Any:
        """The run of a trial, or of the search for an empty id, which is made if there is none."""
        if (found := self._known.get(trial_id)) is not None:
            return found
        known = {SEARCH: self._search["id"]} | ({TRIAL: trial_id} if trial_id else {})
        begun = _milliseconds(seconds_of(started))
        return self._mlflow.create_run(self._experiment, begun, {**known, **tags}, name)

    def _update_trial(self, client: Source, trial: Trial) -> int:
        """Add what the run of a trial does not have; return the number of new points."""
        below = {"mlflow.parentRunId": self._parent.info.run_id}
        run = self._run(trial["id"], title(trial), trial["started_at"], below)
        if run.info.status != "RUNNING":  # it was complete at the end of an earlier call
            return 0
        points = curves(client, self._search, trial)
        ended = seconds_of(trial["ended_at"])
        if ended is not None:
            step = max((one.step for one in points), default=0)
            found = results(self._search, trial).items()
            points += [Point(name, step, value, ended) for name, value in found]
        new = self._log(run, points, parameters(self._search, trial), words(self._search, trial))
        self._end(run, trial["status"], ended)
        return new

    def _update_parent(self) -> None:
        """Bring the run of the search to the state of the search."""
        search, run = self._search, self._parent
        ended = seconds_of(search["ended_at"])
        points = []
        if search["final"] is not None and ended is not None:
            tested = {
                f"test/{search['metric']}": search["final"]["test_metric"],
                "test/loss": search["final"]["test_loss"],
            }
            step = search["used"]["trials"]  # a search that is extended has another result later
            points = [Point(name, step, value, ended) for name, value in tested.items()]
        facts = {"status": search["status"], "reason": search["reason"]}
        tags = {f"netmorph.tag.{tag}": "true" for tag in search["tags"]}
        note = {"mlflow.note.content": search["note"]} if search["note"] else {}
        self._log(run, points, settings(search), facts, {**tags, **note})
        if ended is None and run.info.status != "RUNNING":  # it was extended
            self._mlflow.update_run(run.info.run_id, status="RUNNING")
        elif run.info.status == "RUNNING":
            self._end(run, search["status"], ended)

    def _log(
        self,
        run: Any,
        points: list[Point],
        values: Mapping[str, object],
        facts: Mapping[str, str],
        tags: Mapping[str, str] | None = None,
    ) -> int:
        """Log points and parameters that a run does not have, and facts as tags."""
        run_id, make = run.info.run_id, self._entities
        logged = {
            (one.key, one.step)
            for key in run.data.metrics
            for one in self._mlflow.get_metric_history(run_id, key)
        }
        metrics = [
            make.Metric(one.name, one.value, _milliseconds(one.at), one.step)
            for one in points
            if (one.name, one.step) not in logged
        ]
        params = [
            make.Param(name, str(value))
            for name, value in values.items()
            if name not in run.data.params
        ]
        named = {f"netmorph.{label}": text for label, text in facts.items()} | dict(tags or {})
        labels = [make.RunTag(name, text) for name, text in named.items()]
        self._mlflow.log_batch(run_id, params=params, tags=labels)
        for start in range(0, len(metrics), _BATCH):
            self._mlflow.log_batch(run_id, metrics[start : start + _BATCH])
        return len(metrics)

    def _end(self, run: Any, status: str, ended: float | None) -> None:
        """End a run, once the search or trial has ended."""
        if ended is not None:
            end = _ENDS.get(status, "FAILED")
            self._mlflow.set_terminated(run.info.run_id, end, _milliseconds(ended))


def _milliseconds(seconds: float | None) -> int | None:
    return None if seconds is None else round(1000 * seconds)
