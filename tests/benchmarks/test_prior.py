"""What finished searches are worth to a new one: tables, figures and page."""

import numpy as np

from benchmarks import histories, prior, tables


def table(seed: int) -> list[tables.Entry]:
    """Networks that are better the larger they are."""
    networks = [trial.architecture for trial in histories.history(40, seed=seed)]
    return [tables.Entry(one, float(np.log(one.parameters))) for one in networks]


def test_tables_that_agree_help_a_new_search_of_few_networks():
    others = {str(seed): table(seed) for seed in range(3)}
    found = prior.on_table(table(3), others, observed=4, seeds=4)
    assert found["with prior"]["spearman_mean"] > found["alone"]["spearman_mean"]


def test_two_finished_searches_are_too_few():
    assert prior.prior_mean({str(seed): table(seed) for seed in range(2)}, seed=0) is None


def cells(spearman: float, nll: float) -> dict[str, dict[str, float]]:
    """Figures that a prior raises by 0.2."""
    alone = {"spearman_mean": spearman, "nll": 1.0}
    return {"alone": alone, "with prior": {"spearman_mean": spearman + 0.2, "nll": nll}}


def test_the_page_has_a_row_for_each_table_and_number_and_one_for_the_mean():
    found = {"a": {"4": cells(0.5, 0.8)}, "b": {"4": cells(0.3, 0.6)}}
    lines = prior.page(found, seeds=2).splitlines()
    assert "| a | 4 | 0.500 | 0.700 | 1.00 | 0.80 |" in lines
    assert lines[-1] == "| mean of the tables | 4 | 0.400 | 0.600 | 1.00 | 0.70 |"
