"""How long one suggestion takes after n observations, and how that grows with n.

`python -m benchmarks.suggestion [--n 400]`: one call of `core.search.step` as the service makes it,
on one core; without --n for growing histories, with the exponent of a power law through them. The
peer's suggestion ends after `--peer-seconds`: then the time is a lower bound, and
`peer_is_whole` is false.
"""

import argparse
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np

from benchmarks import peers, reporting
from benchmarks.histories import BOUNDS, SPEC, history
from core import acquisition
from core.kernels import Geometry
from core.roots import roots
from core.search import Snapshot, step
from core.strategies import bayesian
from core.surrogate import Surrogate

SIZES = (5, 25, 50, 100, 200, 400)
QUICK_SIZES = (5, 50, 200)
PEER_SIZES = (5, 25)
QUICK_PEER_SIZES = (5,)
GROWTH_FROM = 25  # observations; below, the history hardly counts


def snapshot(n: int, seed: int = 0) -> Snapshot:
    """What the service knows when it asks for trial n."""
    return Snapshot(
        seed=seed,
        next_number=n,
        count=1,
        strategy="bayesian",
        strategy_options={},
        roots=roots(SPEC, BOUNDS),
        bounds=BOUNDS,
        trials=history(n, seed),
    )


def at(n: int, repeats: int) -> reporting.Result:
    """The time of a suggestion after `n` observations, and its parts."""
    asked = snapshot(n)
    step(asked)  # compiled functions and facts of known architectures are there from now on
    seconds = reporting.seconds_of(lambda: step(asked), repeats)
    parts, candidates = _parts(asked)
    return {
        "n": n,
        "seconds_per_suggestion": seconds,
        "candidates_scored": candidates,
        "parts": parts,
    }


def _parts(asked: Snapshot) -> tuple[dict[str, float], int]:
    """The seconds in each part of one more suggestion, and how many candidates it scored."""
    spent: dict[str, float] = defaultdict(float)
    scored: list[int] = []
    with ExitStack() as stack:
        for owner, name, part in (
            (bayesian, "believe", "fit"),
            (bayesian, "maximise", "search"),
            (acquisition, "sample", "search_morphisms"),
            (acquisition, "_choose", "search_choice"),
            (Geometry, "points", "distances"),
            (Surrogate, "posterior", "posterior"),
        ):
            stack.enter_context(_timed(owner, name, part, spent))
        stack.enter_context(
            _watched(acquisition, "_choose", lambda c: scored.append(len(c[0].scored)))
        )
        step(asked)
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
    """Tell the arguments of every call of `owner.name`."""
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
    """Netmorph for each size, then the peer for those that it can do."""
    sizes = QUICK_SIZES if options.quick else SIZES
    wanted = sizes if options.n is None else (options.n,)
    repeats = 3 if options.quick else 7
    found = [at(n, repeats) for n in wanted]
    result = dict(found[-1])
    if options.n is None:
        result["growth_exponent"] = growth(found)
        result["sizes"] = {str(one["n"]): one["seconds_per_suggestion"] for one in found}
    return result | _peer(options)


def _peer(options: argparse.Namespace) -> reporting.Result:
    """The peer's times; its smallest history's apart, as it does not get far with large ones."""
    sizes = QUICK_PEER_SIZES if options.quick else PEER_SIZES
    if not options.quick and options.n is not None:
        sizes = (5, options.n)
    limit = min(options.peer_seconds, 25.0) if options.quick else options.peer_seconds
    answers: list[peers.Answer] = [{}] * len(sizes)
    if not options.no_peers:
        asked = [{"ask": "suggestion", "n": n, "seed": 0, "seconds": limit} for n in sizes]
        timeout = 35.0 if options.quick else 60 + 4 * limit * len(sizes)
        answers = peers.ask(asked, timeout, quick=options.quick)
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
    """Measure and print."""
    parser = reporting.parser(__doc__)
    parser.add_argument("--n", type=int, help="observations; several sizes without")
    parser.add_argument("--peer-seconds", type=float, default=120.0, help="for one suggestion")
    reporting.run(measure, parser.parse_args())


if __name__ == "__main__":
    main()
