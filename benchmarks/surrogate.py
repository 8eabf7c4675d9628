"""Measures how well the surrogate predicts unseen networks, by kernel.

`python -m benchmarks.surrogate [--history FILE] [--observed 50] [--seeds 20] [--markdown FILE]`:
for each seed it is fitted to some random networks of the history and predicts up to 1,000 others.
The figures are Spearman's rank correlation, the mean negative log-likelihood of a value (in
standard deviations of the history), the share of values within their 90 % interval, and the seconds
for one fit and all predictions. The kernels are compared with a ridge regression and a random
forest on log parameters, log FLOPs and log depth, and with the Gaussian process of NNI's network
morphism tuner.
"""

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from scipy.stats import norm, spearmanr

from benchmarks import histories, reporting, surrogate_report, tables
from benchmarks.predictors import (
    PLAIN,
    Entries,
    Prediction,
    Predictor,
    Split,
    Within,
    kernel_predictor,
    peer_predictions,
    predictions,
)
from core.search.strategies.bayesian import Bayesian
from core.similarity.edit_distance import Floats
from core.surrogate.kernels import KERNELS

DATA = Path(__file__).parent / "data"
MAIN = "fashion-mnist"  # the table whose figures are repeated at the top of the results
OBSERVED = 30
UNSEEN = 1000  # predicted networks of a split, at most
PEER_UNSEEN = 100  # of these, those that the slow peer predicts
QUICK_PEER = (5, 2, 100)  # of a quick run: observed networks, seeds, unseen networks
PEER_SECONDS, QUICK_PEER_SECONDS = 240.0, 10.0  # for the splits of one table
SYNTHETIC = 400  # networks of the made-up history
QUANTILE = float(norm.ppf(0.95))
LEAST_STD = 1e-3  # in standard deviations of the history; smaller ones are raised to this

Figures = dict[str, float | None]


def split(count: int, observed: int, seeds: int, unseen: int = UNSEEN) -> list[Split]:
    """One random split of a table of `count` networks per seed."""
    orders = [np.random.default_rng([seed, observed]).permutation(count) for seed in range(seeds)]
    return [Split(one[:observed], one[observed : observed + unseen]) for one in orders]


def without_repeats(entries: Entries, splits: Sequence[Split]) -> list[Split]:
    """The splits without unseen networks that are also observed: a table may repeat a network."""

    def is_new(one: Split) -> list[bool]:
        known = {entries[index].architecture.fingerprint for index in one.observed}
        return [entries[index].architecture.fingerprint not in known for index in one.unseen]

    return [Split(one.observed, one.unseen[is_new(one)]) for one in splits]


def evaluate(
    entries: Entries, splits: Sequence[Split], predictors: Mapping[str, Predictor]
) -> dict[str, Figures]:
    """The figures of every predictor over all splits, the same networks for each."""
    found = {}
    for name, predictor in predictors.items():
        found[name] = figures(entries, list(predictions(predictor, entries, splits)))
        print(f"{name}: {len(splits)} splits", file=sys.stderr)
    return found


def figures(entries: Entries, predicted: Sequence[Prediction]) -> Figures:
    """The mean quality of some predictions."""
    spread = float(np.std([one.value for one in entries])) or 1.0
    rows = [_split_figures(entries, one, spread) for one in predicted]

    def mean(name: str) -> float | None:
        known = [value for row in rows if (value := row.get(name)) is not None]
        return float(np.mean(known)) if known else None

    spearman = [row["spearman"] or 0.0 for row in rows]
    error = float(np.std(spearman, ddof=1) / np.sqrt(len(rows))) if len(rows) > 1 else 0.0
    return {
        "observed": len(predicted[0].split.observed),
        "splits": len(rows),
        "spearman_mean": mean("spearman"),
        "spearman_se": error,
        "nll": mean("nll"),
        "coverage_90": mean("coverage"),
        "seconds": mean("seconds"),
        "ignored": mean("ignored"),
        "failures": mean("failures"),
    }


def _split_figures(entries: Entries, one: Prediction, spread: float) -> Figures:
    """The figures of one split; a prediction that is not a number gets the worst rank."""
    values = np.array([entries[index].value for index in one.split.unseen])
    is_known = np.isfinite(one.mean)
    row: Figures = {
        "spearman": correlation(np.where(is_known, one.mean, -np.inf), values),
        "seconds": one.seconds,
        "ignored": one.ignored / len(one.split.observed),
        "failures": 1 - float(is_known.mean()),
    }
    if one.spread is None or not is_known.any():
        return row
    if callable(one.spread):
        density, is_within = one.spread(values)
    else:
        density, is_within = _normal(one.mean, one.spread, LEAST_STD * spread, values)
    row["nll"] = -float((density + np.log(spread))[is_known].mean())
    row["coverage"] = float(is_within[is_known].mean())
    return row


def _normal(mean: Floats, std: Floats, least: float, values: Floats) -> tuple[Floats, Within]:
    """The log density of values in normal laws, and whether each is within its 90 % interval."""
    std = np.maximum(np.where(np.isfinite(std), std, 0.0), least)
    score = (values - mean) / std
    return norm.logpdf(score) - np.log(std), np.abs(score) <= QUANTILE


def correlation(mean: Floats, values: Floats) -> float:
    """Spearman's rank correlation; 0 where one side is constant, which ranks nothing."""
    if len(np.unique(mean)) == 1 or len(np.unique(values)) == 1:
        return 0.0
    return float(spearmanr(mean, values).statistic)


def noise_ceiling(entries: Entries) -> float | None:
    """The highest correlation that a predictor without noise can reach; None without repeats.

    The rank correlation r of values with those of a retraining has noise on both sides: a value is
    the true value plus noise, so its correlation with the true value is √r (Spearman 1904).
    """
    repeated = [one for one in entries if one.repeats]
    if len(repeated) < 3:
        return None
    values = np.array([one.value for one in repeated])
    again = correlation(values, np.array([one.repeats[0] for one in repeated]))
    return float(np.sqrt(max(again, 0.0)))


def synthetic() -> list[tables.Entry]:
    """A made-up history, for use without tables of trained networks."""
    trials = histories.history(SYNTHETIC)
    return [tables.Entry(trial.architecture, float(trial.value or 0.0)) for trial in trials]


def of_table(entries: Entries, observed: int, options: argparse.Namespace) -> reporting.Result:
    """The results of one table: facts about it, and figures by predictor."""
    seeds = options.seeds or (3 if options.quick else 20)
    splits = without_repeats(entries, split(len(entries), observed, seeds))
    if not all(len(one.unseen) for one in splits):
        raise tables.WrongTable("no unseen network is left; expected more different networks")
    kernels = {kernel: kernel_predictor(kernel) for kernel in KERNELS}
    by_predictor = evaluate(entries, splits, kernels | PLAIN)
    if not options.no_peers:
        few = split(len(entries), *QUICK_PEER)
        shorter = [Split(one.observed, one.unseen[:PEER_UNSEEN]) for one in splits]
        peer_splits = without_repeats(entries, few) if options.quick else shorter
        seconds = QUICK_PEER_SECONDS if options.quick else PEER_SECONDS
        is_short = options.quick or options.history is not None
        if predicted := peer_predictions(entries, peer_splits, seconds=seconds, quick=is_short):
            by_predictor["nni"] = figures(entries, predicted)
    ceiling = noise_ceiling(entries)
    for one in by_predictor.values():
        mean = one["spearman_mean"]
        one["share_of_ceiling"] = mean / ceiling if mean is not None and ceiling else None
    facts = {
        "networks": len(entries),
        "observed": observed,
        "seeds": seeds,
        "default_kernel": Bayesian().kernel,
        "noise_ceiling": ceiling,
        "repeated": sum(bool(one.repeats) for one in entries),
    }
    return facts | by_predictor


def measure(options: argparse.Namespace) -> reporting.Result:
    """The results of the given history, or of all shipped tables."""
    if options.history is not None:
        entries = tables.read(options.history)
        observed = options.observed or 50
        if not 1 <= observed < len(entries):
            raise tables.WrongTable(
                f"{options.history} has {len(entries)} networks; "
                f"expected more than the {observed} observed"
            )
        result = of_table(entries, observed, options)
        _write(options, {options.history.name.split(".")[0]: result})
        return result
    paths = sorted(DATA.glob("*.jsonl.gz"))
    observed = options.observed or OBSERVED
    found = {path.name.split(".")[0]: tables.read(path) for path in paths}
    by_table = {
        name: of_table(entries, observed, options)
        for name, entries in (found or {"synthetic": synthetic()}).items()
    }
    _write(options, by_table)
    return _with_short_keys(by_table)


def _write(options: argparse.Namespace, by_table: reporting.Result) -> None:
    if options.markdown is not None:
        options.markdown.write_text(surrogate_report.page(by_table))


def _with_short_keys(by_table: reporting.Result) -> reporting.Result:
    """The results with keys such as `spearman_30`; the main table's figures are repeated on top."""
    result = {
        table: {
            name: {f"spearman_{one['observed']}": one["spearman_mean"], **one}
            if isinstance(one, Mapping)
            else one
            for name, one in facts.items()
        }
        for table, facts in by_table.items()
    }
    top = result.get(MAIN) or next(iter(result.values()))
    on_top = {name: one for name, one in top.items() if isinstance(one, Mapping)}
    return result | {"chosen": surrogate_report.chosen_elsewhere(by_table)} | on_top


def main() -> None:
    """Parse the options, measure and print."""
    parser = reporting.parser(__doc__)
    parser.add_argument("--history", type=Path, help="JSON lines, plain or gzip")
    parser.add_argument(
        "--observed", type=int, help="networks to fit to; 50 of a given history, else 30"
    )
    parser.add_argument(
        "--seeds", type=int, help="number of random choices of them; 20 unless quick"
    )
    parser.add_argument("--markdown", type=Path, help="also write the results to this page")
    reporting.run(measure, parser.parse_args())


if __name__ == "__main__":
    main()
