"""Measures what finished searches say of a new one, on tables that they did not learn from.

`python -m benchmarks.prior [--seeds 20] [--quick] [--markdown FILE]`: each table in turn is the new
search; from each of the others a few random networks are a finished search. The surrogate is given
a few networks of the new one, with and without the prior mean learned from the others, and predicts
the rest. The figures are Spearman's rank correlation and the mean negative log-likelihood of a
value, as in `benchmarks.surrogate`. The tables have four spaces of networks and two data sets.
"""

import argparse
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from benchmarks import reporting, tables
from benchmarks.predictors import Entries, Predictor, kernel_predictor, predictions
from benchmarks.surrogate import DATA, Figures, figures, split, without_repeats
from core.surrogate import DEFAULT_KERNEL
from core.surrogate.fitting import Observation, learn_prior_mean
from core.surrogate.prior_mean import PriorMean

OBSERVED = (2, 4, 8, 16, 30)
FINISHED = 15  # networks of a finished search
UNSEEN = 300
FIGURES = ("spearman_mean", "nll")

_INTRODUCTION = """\
# What finished searches say of a new one

Written by `python -m benchmarks.prior --markdown FILE`. Each table is the new search in turn;
{each} random networks of each of the other tables are a finished search. The surrogate is given
some networks of the new search, without (*alone*) and with the prior mean that is learned from the
finished ones, and predicts up to {unseen} others. Means over {seeds} draws; Spearman's rank
correlation (more is better) and the negative log-likelihood of a value (less is better).
"""


def prior_mean(others: Mapping[str, Entries], seed: int) -> PriorMean | None:
    """What some random networks of each of these tables have in common."""
    rng = np.random.default_rng([seed, FINISHED])
    chosen = [(entries, rng.permutation(len(entries))[:FINISHED]) for entries in others.values()]
    return learn_prior_mean(
        [
            [Observation(entries[index].architecture, entries[index].value) for index in indices]
            for entries, indices in chosen
        ]
    )


def predictors(others: Mapping[str, Entries], seed: int) -> dict[str, Predictor]:
    """The surrogate without and with a prior mean."""
    learned = prior_mean(others, seed)
    return {
        "alone": kernel_predictor(DEFAULT_KERNEL),
        "with prior": kernel_predictor(DEFAULT_KERNEL, learned),
    }


def on_table(
    entries: Entries, others: Mapping[str, Entries], observed: int, seeds: int
) -> dict[str, Figures]:
    """The mean figures over the seeds, each with other networks of all tables."""
    splits = without_repeats(entries, split(len(entries), observed, seeds, UNSEEN))
    predicted = [
        (name, one)
        for seed, draw in enumerate(splits)
        for name, predictor in predictors(others, seed).items()
        for one in predictions(predictor, entries, [draw])
    ]
    names = dict.fromkeys(name for name, _ in predicted)
    return {name: figures(entries, [one for of, one in predicted if of == name]) for name in names}


def measure(options: argparse.Namespace) -> reporting.Result:
    """The figures by table and number of observed networks."""
    seeds, counts = (2, OBSERVED[1:2]) if options.quick else (options.seeds, OBSERVED)
    known = {
        path.name.removesuffix(".jsonl.gz"): tables.read(path)
        for path in sorted(Path(DATA).glob("*.jsonl.gz"))
    }
    found: reporting.Result = {
        name: {
            str(count): {
                way: {figure: facts[figure] for figure in FIGURES}
                for way, facts in on_table(
                    entries, {key: known[key] for key in known if key != name}, count, seeds
                ).items()
            }
            for count in counts
        }
        for name, entries in known.items()
    }
    if options.markdown is not None:
        options.markdown.write_text(page(found, seeds))
    return found


def page(found: reporting.Result, seeds: int) -> str:
    """The page of results in Markdown, the mean of the tables last."""
    counts = list(next(iter(found.values())))
    mean = {
        count: {
            way: {
                figure: float(np.mean([table[count][way][figure] for table in found.values()]))
                for figure in FIGURES
            }
            for way in ("alone", "with prior")
        }
        for count in counts
    }
    rows = [
        f"| {name} | {count} | " + " | ".join(_cells(cells)) + " |"
        for name, table in [*found.items(), ("mean of the tables", mean)]
        for count, cells in table.items()
    ]
    head = [
        "| new search | networks observed | Spearman alone | with prior | NLL alone | with prior |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    text = _INTRODUCTION.format(each=FINISHED, unseen=UNSEEN, seeds=seeds)
    return "\n".join([text, *head, *rows]) + "\n"


def _cells(cells: Mapping[str, Mapping[str, float]]) -> list[str]:
    digits = {"spearman_mean": 3, "nll": 2}
    return [
        f"{cells[way][figure]:.{digits[figure]}f}"
        for figure in FIGURES
        for way in ("alone", "with prior")
    ]


def main() -> None:
    """Parse the options, measure and print."""
    parser = reporting.parser(__doc__)
    parser.add_argument("--seeds", type=int, default=20, help="draws of networks")
    parser.add_argument("--markdown", type=Path, help="write a page of the results")
    reporting.run(measure, parser.parse_args())


if __name__ == "__main__":
    main()
