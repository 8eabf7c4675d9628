"""Measures how long one suggestion takes after n observations, and how that grows with n.

`python -m benchmarks.suggestion [--n 400]`: calls of `core.search.step` as the service makes
them, on one core, each for a history that has grown by one trial since the last; without --n for
several sizes, with the exponent of a power law through them. `first` is the time of the first
suggestion in a new process, where every architecture is new, after compiled functions are loaded.
The peer's suggestion is ended after `--peer-seconds`; then the time is a lower bound, and
`peer_is_whole` is false.
"""

import argparse
import multiprocessing
import resource
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from benchmarks import peers, reporting
from benchmarks.histories import BOUNDS, SPEC, history
from core.graph.architecture import Architecture
from core.graph.roots import roots
from core.search import acquisition, beliefs
from core.search.history import PastTrial
from core.search.step import Snapshot, step
from core.surrogate.gaussian_process import Surrogate
from core.surrogate.kernels import Geometry

SIZES = (5, 25, 50, 100, 200, 400, 1000, 5000)
QUICK_SIZES = (5, 50, 200)
PEER_SIZES = (5, 25)
QUICK_PEER_SIZES = (5,)
GROWTH_FROM = 25  # observations; shorter histories hardly affect the time


def snapshot(trials: tuple[PastTrial, ...], seed: int = 0) -> Snapshot:
    """The snapshot that the service passes when it needs the next trial."""
    return Snapshot(
        seed=seed,
        next_number=len(trials),
        count=1,
        strategy="bayesian",
        strategy_options={},
        roots=roots(SPEC, BOUNDS),
        bounds=BOUNDS,
        trials=trials,
    )


def at(trials: tuple[PastTrial, ...], n: int, repeats: int) -> reporting.Result:
    """The time of a suggestion after `n` observations, and its parts."""
    seen = tuple(_as_new(trial) for trial in trials[: n + repeats + 1])
    snapshots = [snapshot(seen[:known]) for known in range(n - 1, n + repeats + 1)]
    step(snapshots[0])  # fills the caches for known architectures
    times = [reporting.seconds_of(lambda one=one: step(one), 1) for one in snapshots[1:-1]]  # type: ignore[misc]
    parts, candidates = _parts(snapshots[-1])
    return {
        "n": n,
        "seconds_per_suggestion": statistics.median(times),
        "candidates_scored": candidates,
        "parts": parts,
        "peak": {"seconds": max(times), "mebibytes": _mebibytes()},
    }


def _as_new(trial: PastTrial) -> PastTrial:
    """The trial with an architecture without cached facts, as after loading it from JSON."""
    return replace(trial, architecture=Architecture(trial.architecture.nodes))


def _in_new_process(trials: tuple[PastTrial, ...]) -> float:
    """Seconds of the first suggestion in a new process."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        return pool.submit(_first, trials).result()


def _first(trials: tuple[PastTrial, ...]) -> float:
    with threadpool_limits(1):
        step(snapshot(history(5, seed=1)))  # loads compiled functions
        return reporting.seconds_of(lambda: step(snapshot(trials)), 1)


def _mebibytes() -> float:
    """The peak memory of this process."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _parts(snapshot: Snapshot) -> tuple[dict[str, float], int]:
    """The seconds in each part of one more suggestion, and how many candidates it scored."""
    spent: dict[str, float] = defaultdict(float)
    scored: list[int] = []
    with ExitStack() as stack:
        for owner, name, part in (
            (beliefs, "believe", "fit"),
            (acquisition, "maximise", "search"),
            (acquisition, "sample", "search_morphisms"),
            (acquisition, "_choose", "search_choice"),
            (Geometry, "points", "distances"),
            (Surrogate, "posterior", "posterior"),
        ):
            stack.enter_context(_timed(owner, name, part, spent))
        stack.enter_context(
            _watched(acquisition, "_choose", lambda c: scored.append(len(c[0].scored)))
        )
        step(snapshot)
    return dict(spent), scored[0]


@contextmanager
def _timed(owner: Any, name: str, part: str, spent: dict[str, float]) -> Iterator[None]:
    """Add the seconds of every call of `owner.name` to a part."""
    original = getattr(owner, name)

    def call(*args: Any, **options: Any) -> Any:
        started = time.perf_counter()
        try:
            return original(*args, **options)
        finally:
            spent[part] += time.perf_counter() - started

    setattr(owner, name, call)
    yield
    setattr(owner, name, original)


@contextmanager
def _watched(owner: Any, name: str, note: Callable[[tuple[Any, ...]], None]) -> Iterator[None]:
    """Pass the arguments of every call of `owner.name` to `note`."""
    original = getattr(owner, name)

    def call(*args: Any, **options: Any) -> Any:
        note(args)
        return original(*args, **options)

    setattr(owner, name, call)
    yield
    setattr(owner, name, original)


def growth(found: list[reporting.Result]) -> float | None:
    """The exponent of the power law that fits the times best."""
    sizes = [one["n"] for one in found if one["n"] >= GROWTH_FROM]
    times = [one["seconds_per_suggestion"] for one in found if one["n"] >= GROWTH_FROM]
    if len(sizes) < 2:
        return None
    return float(np.polyfit(np.log(sizes), np.log(times), 1)[0])


def measure(options: argparse.Namespace) -> reporting.Result:
    """The times of Netmorph for each size, then of the peer for those that it can do."""
    sizes = QUICK_SIZES if options.quick else SIZES
    sizes = sizes if options.n is None else (options.n,)
    repeats = 3 if options.quick else 7
    trials = history(max(sizes) + repeats + 1)
    found = [at(trials, n, repeats) for n in sizes]
    result = dict(found[-1])
    result["first"] = _in_new_process(trials[: result["n"]])
    if options.n is None:
        result["growth_exponent"] = growth(found)
        result["sizes"] = {str(one["n"]): one["seconds_per_suggestion"] for one in found}
    return result | _peer(options)


def _peer(options: argparse.Namespace) -> reporting.Result:
    """The peer's times by size; a small history is included because it is slow with large ones."""
    sizes = QUICK_PEER_SIZES if options.quick else PEER_SIZES
    if not options.quick and options.n is not None:
        sizes = (5, options.n)
    limit = min(options.peer_seconds, 25.0) if options.quick else options.peer_seconds
    answers: list[peers.Answer] = [{}] * len(sizes)
    if not options.no_peers:
        questions = [{"ask": "suggestion", "n": n, "seed": 0, "seconds": limit} for n in sizes]
        timeout = 35.0 if options.quick else 60 + 4 * limit * len(sizes)
        answers = peers.answers_to(questions, timeout, quick=options.quick)
    last = answers[-1]
    return {
        "peer_n": sizes[-1] if last else None,
        "peer_seconds_per_suggestion": last.get("seconds"),
        "peer_candidates_scored": last.get("candidates_scored"),
        "peer_is_whole": last.get("is_whole"),
        "peer_sizes": {
            str(n): answer.get("seconds") for n, answer in zip(sizes, answers, strict=True)
        },
    }


def main() -> None:
    """Parse the options, measure and print."""
    parser = reporting.parser(__doc__)
    parser.add_argument("--n", type=int, help="number of observations; default: several sizes")
    parser.add_argument(
        "--peer-seconds", type=float, default=120.0, help="limit for one suggestion of the peer"
    )
    reporting.run(measure, parser.parse_args())


if __name__ == "__main__":
    main()
