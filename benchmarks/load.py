"""Measures how many results per second the API takes from simulated workers, over HTTP.

`python -m benchmarks.load [--workers 1000] [--searches 100] [--seconds 30] [--offered 200]
[--processes 1] [--json]` is `netmorph bench load` on private servers; see `api.load.measure`.

`--cells` names disturbances (`benchmarks.load_cells`; `pressure`, `chaos` and `all` stand for
several): after a run without any, there is one of the same length with each of them. `goodput` is
its number of results over that of the undisturbed run, `goodput_at_end` the same for the last third
of the run. `--optuna` measures ask and tell of Optuna on the same PostgreSQL, one process after the
undisturbed run and one for each core.
"""

import argparse
import asyncio
import contextlib
import dataclasses
import json
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import fields
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
from sqlalchemy import make_url

from api.load.measure import Service, drive, service, summary
from api.load.options import QUICK, Load
from api.settings import Settings
from benchmarks import reporting
from benchmarks.environments import ROOT, Environment, run
from benchmarks.load_cells import CELLS, CHAOS, PRESSURE, Target
from netmorph.commands import bench
from netmorph.embedded import EmbeddedPostgres, EmbeddedValkey

OPTUNA = Environment(ROOT / ".venv-peers-optuna-load", ("optuna==5.0.0", "psycopg[binary]"))
OPTUNA_SHIM = ROOT / "benchmarks" / "optuna_load.py"
MORE = 1.5  # times the offered load, in the cell `more-load`
GROUPS = {"pressure": list(PRESSURE), "chaos": list(CHAOS), "all": list(CELLS)}


def measure(options: argparse.Namespace) -> reporting.Result:
    """Run the measurement."""
    chosen = {field.name: getattr(options, field.name) for field in fields(Load)}
    if not options.cells and not options.optuna:
        return bench.measure({} if options.quick else chosen, quick=options.quick)
    load = QUICK if options.quick else Load(**chosen)
    names = [name for one in options.cells for name in GROUPS.get(one, [one])]
    return _disturbed(load, names, with_optuna=options.optuna and not options.no_peers)


def _disturbed(load: Load, names: list[str], *, with_optuna: bool) -> reporting.Result:
    """A run without disturbance, one with each of these, and Optuna, on the same servers."""
    runs = 1 + len(names)
    stock = dataclasses.replace(load, seconds=MORE * load.seconds * runs)  # of waiting trials
    with servers() as (settings, postgres), service(settings, stock) as on:
        acknowledged: list[tuple[UUID, int]] = []
        baseline = _run(on, load, acknowledged, contextlib.nullcontext())
        found: dict[str, Any] = {"baseline": baseline}
        if with_optuna:
            found["optuna"] = _optuna(settings.database_url, load.seconds)
        for name in names:
            offered = MORE * load.offered if name == "more-load" else load.offered
            own = dataclasses.replace(load, offered=offered)
            disturbance = CELLS[name](Target(on, postgres, load.seconds))
            found[name] = _run(on, own, acknowledged, disturbance, at_once=name == "burst")
            for key in ("results_per_second", "results_per_second_at_end"):
                share = found[name][key] / max(baseline[key], 1e-9)
                found[name][key.replace("results_per_second", "goodput")] = share
        return found


def _run(
    on: Service,
    load: Load,
    acknowledged: list[tuple[UUID, int]],
    disturbance: AbstractContextManager[None],
    *,
    at_once: bool = False,
) -> dict[str, Any]:
    """The figures of one run; those of the database are of all runs so far.

    `acknowledged` has the accepted results of the runs before, and gets those of this one.
    """
    began, cpu = time.monotonic(), on.cpu_seconds()
    with disturbance:
        tally = asyncio.run(drive(on, load.workers, load.seconds, load.offered, at_once=at_once))
    count = len(tally.accepted)
    acknowledged += tally.accepted
    tally.accepted = acknowledged
    window = (began + load.seconds * 2 / 3, began + load.seconds)
    last = sum(window[0] <= at < window[1] for at in tally.accepted_at)
    return {
        "offered_per_second": load.offered,
        **summary(on, tally, load.seconds),
        "results_per_second_at_end": 3 * last / load.seconds,
        "cpu_ms_per_result": 1e3 * (on.cpu_seconds() - cpu) / max(1, count),
    }


@contextlib.contextmanager
def servers() -> Iterator[tuple[Settings, EmbeddedPostgres]]:
    """Private servers, and the settings of a service on them."""
    with tempfile.TemporaryDirectory(prefix="netmorph-bench-") as name:
        folder = Path(name)
        folder.chmod(0o711)  # the servers have an account of their own
        postgres, valkey = EmbeddedPostgres(folder), EmbeddedValkey(folder)
        try:
            url = postgres.start()
            settings = Settings(
                database_url=url, broker_url=valkey.start(), storage_url="memory://bench"
            )
            yield settings, postgres
        finally:
            valkey.stop()
            postgres.stop()


def _optuna(url: str, seconds: float) -> dict[str, Any]:
    """Trials per second that Optuna asks for and tells on a database of its own."""
    OPTUNA.install()
    own = make_url(url).set(database="optuna").render_as_string(hide_password=False)
    found = {}
    for processes in (1, os.cpu_count() or 1):
        with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as connection:
            connection.execute("DROP DATABASE IF EXISTS optuna")
            connection.execute("CREATE DATABASE optuna")
        command = [str(OPTUNA.python), str(OPTUNA_SHIM), own, str(seconds), str(processes)]
        found[f"processes_{processes}"] = json.loads(run(command))
    return found


def main() -> None:
    """Parse the options, measure and print."""
    parser = reporting.parser(__doc__)
    for field in fields(Load):
        parser.add_argument(f"--{field.name}", type=type(field.default), default=field.default)
    parser.add_argument(
        "--cells", nargs="+", choices=[*GROUPS, *CELLS], default=[], help="disturbances"
    )
    parser.add_argument("--optuna", action="store_true", help="measure Optuna as well")
    reporting.run(measure, parser.parse_args())


if __name__ == "__main__":
    main()
