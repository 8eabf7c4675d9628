"""How well the surrogate predicts networks that it has not seen, by kernel.

`python -m benchmarks.surrogate [--history FILE] [--observed 50] [--seeds 20]`: for each seed it is
fitted to some random networks of the history and asked about up to 1,000 others. Spearman's rank
correlation, the mean negative log-likelihood of a value (in standard deviations of the history),
the share of values within their 90 % interval, seconds for one fit and all predictions. Beside
the kernels: a ridge regression on log parameters, log FLOPs and log depth, and a random forest.
"""

import argparse
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from scipy.stats import norm, spearmanr
from sklearn.ensemble import RandomForestRegressor

from benchmarks import histories, reporting, tables
from core.distance import Floats
from core.kernels import KERNELS
from core.strategies.bayesian import Bayesian
from core.surrogate import Observation, fit

DATA = Path(__file__).parent / "data"
UNSEEN = 1000  # networks asked about, at most
SYNTHETIC = 400  # networks of the made-up history
QUANTILE = float(norm.ppf(0.95))

Predictor = Callable[[Sequence[tables.Entry], Sequence[tables.Entry]], tuple[Floats, Floats | None]]


def kernel_predictor(kernel: str) -> Predictor:
    """Mean and standard deviation of values by the surrogate with this kernel."""

    def predict(
        known: Sequence[tables.Entry], asked: Sequence[tables.Entry]
    ) -> tuple[Floats, Floats | None]:
        surrogate = fit([Observation(one.architecture, one.value) for one in known], kernel)
        points = surrogate.geometry.points([one.architecture for one in asked])
        mean, std = surrogate.posterior(points)
        return mean, np.sqrt(std**2 + (surrogate.noise * surrogate.scale) ** 2)

    return predict


def ridge(
    known: Sequence[tables.Entry], asked: Sequence[tables.Entry]
) -> tuple[Floats, Floats | None]:
    """Ridge regression on standardised log sizes; no uncertainty."""
    x, x_asked, y = _sizes(known), _sizes(asked), np.array([one.value for one in known])
    center, spread = x.mean(axis=0), np.maximum(x.std(axis=0), 1e-9)
    x, x_asked = (x - center) / spread, (x_asked - center) / spread
    slope = np.linalg.solve(x.T @ x + np.eye(x.shape[1]), x.T @ (y - y.mean()))
    return y.mean() + x_asked @ slope, None


def forest(
    known: Sequence[tables.Entry], asked: Sequence[tables.Entry]
) -> tuple[Floats, Floats | None]:
    """A random forest on log sizes; no uncertainty."""
    model = RandomForestRegressor(n_estimators=100, random_state=0)
    model.fit(_sizes(known), [one.value for one in known])
    return np.asarray(model.predict(_sizes(asked))), None


def _sizes(entries: Sequence[tables.Entry]) -> Floats:
    rows = [
        (one.architecture.parameters, one.architecture.flops, len(one.architecture.nodes))
        for one in entries
    ]
    return np.log1p(np.array(rows, dtype=np.float64))


def judge(
    entries: Sequence[tables.Entry], observed: int, seeds: int, predictors: dict[str, Predictor]
) -> dict[str, dict[str, float | None]]:
    """The figures of every predictor over all seeds, the same networks for each."""
    spread = float(np.std([one.value for one in entries])) or 1.0
    found: dict[str, dict[str, list[float]]] = {name: defaultdict(list) for name in predictors}
    for seed in range(seeds):
        order = np.random.default_rng([seed, observed]).permutation(len(entries))
        known = [entries[place] for place in order[:observed]]
        asked = [entries[place] for place in order[observed : observed + UNSEEN]]
        values = np.array([one.value for one in asked])
        for name, predict in predictors.items():
            started = time.perf_counter()
            mean, std = predict(known, asked)
            figures = found[name]
            figures["seconds"].append(time.perf_counter() - started)
            figures["spearman"].append(_correlation(mean, values))
            if std is not None:
                score = (values - mean) / std
                figures["nll"].append(
                    float(-norm.logpdf(score).mean() + np.log(std / spread).mean())
                )
                figures["coverage"].append(float((np.abs(score) <= QUANTILE).mean()))
        print(f"seed {seed + 1} of {seeds}", file=sys.stderr)
    return {name: _summary(figures) for name, figures in found.items()}


def _correlation(mean: Floats, values: Floats) -> float:
    """Spearman's; 0 where one side is constant, as it then ranks nothing."""
    if np.ptp(mean) == 0 or np.ptp(values) == 0:
        return 0.0
    return float(spearmanr(mean, values).statistic)


def _summary(figures: dict[str, list[float]]) -> dict[str, float | None]:
    def mean(name: str) -> float | None:
        return float(np.mean(figures[name])) if figures.get(name) else None

    spearman = figures["spearman"]
    error = float(np.std(spearman, ddof=1) / np.sqrt(len(spearman))) if len(spearman) > 1 else 0.0
    return {
        "spearman_mean": mean("spearman"),
        "spearman_se": error,
        "nll": mean("nll"),
        "coverage_90": mean("coverage"),
        "seconds": mean("seconds"),
    }


def noise_ceiling(entries: Sequence[tables.Entry]) -> float | None:
    """The rank correlation of values with those of a retraining; None without repeats."""
    repeated = [one for one in entries if one.repeats]
    if len(repeated) < 3:
        return None
    values = np.array([one.value for one in repeated])
    return _correlation(values, np.array([one.repeats[0] for one in repeated]))


def synthetic() -> list[tables.Entry]:
    """A made-up history, where none of trained networks is at hand."""
    trials = histories.history(SYNTHETIC)
    return [tables.Entry(trial.architecture, float(trial.value or 0.0)) for trial in trials]


def measure(options: argparse.Namespace) -> reporting.Result:
    """One history as told, or all that are there."""
    predictors = {kernel: kernel_predictor(kernel) for kernel in KERNELS}
    if not options.no_peers:
        predictors |= {"ridge": ridge, "forest": forest}
    seeds = options.seeds or (3 if options.quick else 20)
    if options.history is not None:
        entries = tables.read(options.history)
        if not 1 <= options.observed < len(entries):
            raise tables.WrongTable(
                f"{options.history} has {len(entries)} networks; "
                f"expected more than the {options.observed} observed"
            )
        judged = judge(entries, options.observed, seeds, predictors)
        facts = {
            "networks": len(entries),
            "observed": options.observed,
            "default_kernel": Bayesian().kernel,
            "noise_ceiling": noise_ceiling(entries),
        }
        return facts | judged
    found = {path.name.split(".")[0]: path for path in sorted(DATA.glob("*.jsonl.gz"))}
    result: reporting.Result = {}
    for name, path in (found or {"synthetic": None}).items():
        entries = synthetic() if path is None else tables.read(path)
        judged = judge(entries, 30, seeds, predictors)
        result[name] = {"noise_ceiling": noise_ceiling(entries)} | {
            kernel: {"spearman_30": one["spearman_mean"], **one} for kernel, one in judged.items()
        }
    first = next(iter(result.values()))
    return result | {kernel: first[kernel] for kernel in predictors}


def main() -> None:
    """Measure and print."""
    parser = reporting.parser(__doc__)
    parser.add_argument("--history", type=Path, help="JSON lines, plain or gzip")
    parser.add_argument("--observed", type=int, default=50, help="networks to fit to")
    parser.add_argument("--seeds", type=int, help="random choices of them; 20 unless quick")
    try:
        reporting.run(measure, parser.parse_args())
    except tables.WrongTable as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
