"""Lists and details as tables, on wide and on narrow terminals."""

from typing import Any

import pytest
from rich.console import Console
from rich.table import Table

from netmorph import tables
from netmorph.progress import best_text
from netmorph.table_parts import WIDE
from tests.netmorph.samples import (
    COMPARED,
    COMPLETE,
    DATASET,
    FINAL,
    FINISHED,
    FRONT,
    KEY,
    LONGER,
    NEW,
    REGRESSION,
    SEARCH,
    SEARCH_ID,
    TRIALS,
    WIDER,
    lines_of,
)

WIDTH = 200


@pytest.mark.parametrize(
    ("table", "lines"),
    [
        (
            tables.searches([FINISHED, NEW], WIDTH),  # type: ignore[list-item]
            [
                "id name data set status trials best test time",
                f"{SEARCH_ID} a [bold]search :cat: digits completed 8 of 8 95.68 % 97.00 % 1:02:05",
                f"{SEARCH_ID} a [bold]search :cat: digits pending 0 – – 0:00",
            ],
        ),
        (
            tables.trials(TRIALS, WIDTH),  # type: ignore[arg-type]
            [
                "no status value parent parameters latency epochs time morphisms computed in",
                "4 final completed – 2 2,345,678 – 5 2:02:02 continues trial 2 –",
                "3 running – 0 2,345,678 – 0 –"
                " widen convolution 1 from 8 to 16 filters; add a skip from 3 to 7 –",
                "2 completed 95.68 % 0 2,345,678 – 5 –"
                " widen convolution 1 from 8 to 16 filters; add a skip from 3 to 7 –",
                "0 completed 90.00 % – 1,234 0.214 ms 5 1:01 – –",
            ],
        ),
        (
            tables.searches([REGRESSION], WIDTH),  # type: ignore[list-item]
            [
                "id name data set status trials best test time",
                f"{SEARCH_ID} a [bold]search :cat: digits completed 8 of 8 0.4567 -0.1 1:02:05",
            ],
        ),
        (
            tables.trials([TRIALS[-1]], WIDTH, in_percent=False),  # type: ignore[list-item]
            [
                "no status value parent parameters latency epochs time morphisms computed in",
                "0 completed 0.9 – 1,234 0.214 ms 5 1:01 – –",
            ],
        ),
        (
            tables.trials([LONGER, FINAL | {"inherited": False, "comparison": COMPARED}], WIDTH),  # type: ignore[list-item]
            [
                "no status value parent parameters latency epochs time morphisms computed in",
                "5 completed 95.68 % 2 2,345,678 – 5 – continues trial 2 bf16 channels-last",
                "4 final completed – 2 2,345,678 – 5 2:02:02"
                " the final network has 91.20 % on 250 held-out examples –",
            ],
        ),
        (
            tables.trials([FINAL | {"ensemble": "an ensemble of trials 0 and 2"}], WIDTH),  # type: ignore[list-item]
            [
                "no status value parent parameters latency epochs time morphisms computed in",
                "4 final completed – 2 2,345,678 – 5 2:02:02 an ensemble of trials 0 and 2 –",
            ],
        ),
        (
            tables.datasets([DATASET], WIDTH),  # type: ignore[list-item]
            [
                "id name version shape classes train test bytes",
                f"{SEARCH_ID} [red]digits 1 1 × 8 × 8 10 1,437 360 129,408",
            ],
        ),
        (
            tables.keys([KEY, KEY | {"revoked_at": "2025-01-02T03:04:05Z"}], WIDTH),  # type: ignore[list-item]
            [
                "id name role begins with created revoked",
                f"{KEY['id']} me user netmorph_abc 2024-05-06 07:08 –",
                f"{KEY['id']} me user netmorph_abc 2024-05-06 07:08 2025-01-02 03:04",
            ],
        ),
        (
            tables.search(SEARCH | {"reason": "why"}, ["one", "two"]),  # type: ignore[arg-type]
            [
                f"id {SEARCH_ID}",
                "name a [bold]search :cat:",
                "data set digits",
                "status running (why)",
                "strategy bayesian, seed 7, 2 in flight",
                "trials 2 of 8",
                "epochs 10",
                "time 1:00, about 3:00 left",
                "best 95.68 % ± 1.23 (trial 2)",
                "test –",
                "lineage one",
                "two",
            ],
        ),
        (
            tables.search(COMPLETE, ["one"]),  # type: ignore[arg-type]
            [
                f"id {SEARCH_ID}",
                "name a [bold]search :cat:",
                "data set digits",
                "status completed",
                "strategy bayesian, seed 7, 2 in flight",
                "trials 8 of 8",
                "epochs 40",
                "time 1:02:05",
                "best 95.68 % ± 1.23 (trial 2)",
                "test 97.00 %",
                "compared the final network has 91.20 % on 250 held-out examples",
                "precision bf16",
                "in winner 37 % of all training seconds",
                "lineage one",
            ],
        ),
        (
            tables.search(FINISHED, ["one"], FRONT),  # type: ignore[arg-type]
            [
                f"id {SEARCH_ID}",
                "name a [bold]search :cat:",
                "data set digits",
                "status completed",
                "strategy bayesian, seed 7, 2 in flight",
                "trials 8 of 8",
                "epochs 40",
                "time 1:02:05",
                "best 95.68 % ± 1.23 (trial 2)",
                "test 97.00 %",
                "front 90.00 % with 0.214 ms (trial 0)",
                "95.00 % with 1.5 ms (trial 2)",
                "lineage one",
            ],
        ),
    ],
    ids=[
        "searches", "trials", "searches of regression", "trials of regression",
        "trials of other kinds", "an ensemble", "data sets", "keys", "search",
        "search with a comparison", "search with a cost",
    ],
)  # fmt: skip
def test_a_wide_table_has_everything_on_one_line(
    table: Table, lines: list[str], out: Console
) -> None:
    out.width = WIDTH
    out.print(table)
    assert [" ".join(line.split()) for line in lines_of(out)] == lines


def test_a_narrow_table_of_trials_has_two_lines_for_each(out: Console) -> None:
    out.width = 80
    out.print(tables.trials([LONGER, *TRIALS], out.width))  # type: ignore[list-item]

    assert [line.rstrip() for line in lines_of(out)] == [
        "no       status     value    parent  parameters  latency   epochs  time",
        "5        completed  95.68 %  2       2,345,678   –         5       –",
        "    continues trial 2",
        "4 final  completed  –        2       2,345,678   –         5       2:02:02",
        "    continues trial 2",
        "3        running    –        0       2,345,678   –         0       –",
        "    widen convolution 1 from 8 to 16 filters; add a skip from 3 to 7",
        "2        completed  95.68 %  0       2,345,678   –         5       –",
        "    widen convolution 1 from 8 to 16 filters; add a skip from 3 to 7",
        "0        completed  90.00 %  –       1,234       0.214 ms  5       1:01",
        "computed in bf16 channels-last",
    ]


def test_a_narrow_table_says_how_each_trial_was_computed_if_that_differs(out: Console) -> None:
    out.width = 80
    out.print(tables.trials([LONGER, LONGER | {"precision": "fp32"}], out.width))  # type: ignore[list-item]

    assert [line.strip() for line in lines_of(out)][2::2] == [
        "continues trial 2; computed in bf16 channels-last",
        "continues trial 2; computed in fp32",
    ]


def test_the_options_of_a_strategy_are_shown(out: Console) -> None:
    out.width = 80
    options = {"population": 20, "ageing": True}
    out.print(tables.search(SEARCH | {"strategy_options": options}, []))  # type: ignore[arg-type]

    lines = [" ".join(line.split()) for line in lines_of(out)]
    assert "options population 20, ageing True" in lines


def test_ids_that_begin_equally_are_complete(out: Console) -> None:
    first, second, other = "0" * 31 + "1", "0" * 31 + "2", "3" * 32
    out.width = 80
    hook = {"name": "chat", "url": "https://example.org", "events": ["search.completed"]}
    out.print(tables.webhooks([hook | {"id": one} for one in (first, second, other)], 80))  # type: ignore[misc, list-item]

    shown = [line.split()[0] for line in lines_of(out) if "https" in line]
    assert shown == [first, second, other[:8]]


def test_twelve_trials_fit_on_a_screen(out: Console) -> None:
    trials = [WIDER | {"number": number, "precision": "bf16"} for number in range(100, 112)]
    out.width = 80
    out.print(tables.trials(trials, out.width))  # type: ignore[arg-type]

    assert len(lines_of(out)) <= 1 + 3 * 12
    assert max(map(len, lines_of(out))) <= 80


def test_a_narrow_list_of_searches_has_one_line_for_each(out: Console) -> None:
    long = FINISHED | {"name": "a long name " * 5, "dataset": {"id": "d", "name": "data " * 9}}
    out.width = 80
    out.print(tables.searches([long, NEW], 80))  # type: ignore[list-item]

    _, first, second = lines_of(out)
    assert "…" in first
    assert first.split()[0] == SEARCH_ID[:8]
    assert first.rstrip().endswith("1:02:05")
    assert len(second) <= 80


@pytest.mark.parametrize("width", [80, WIDE - 1])
def test_narrow_tables_show_the_beginning_of_an_id_that_commands_accept(
    out: Console, width: int
) -> None:
    out.width = width
    for table in (
        tables.searches([SEARCH], width),  # type: ignore[list-item]
        tables.datasets([DATASET], width),  # type: ignore[list-item]
    ):
        out.print(table)
    shown = [line.split()[0] for line in lines_of(out)]
    assert shown.count("0c0ffee0") == 2
    assert max(map(len, lines_of(out))) <= width


def test_a_narrow_list_shows_the_beginnings_of_the_first_keys_of_a_service(out: Console) -> None:
    first = {"id": "0" * 31 + "1", "name": "first admin", "role": "admin"}
    worker = {"id": "0" * 31 + "2", "name": "a long name " * 5, "role": "worker"}
    revoked = {"revoked_at": "2024-05-07T01:02:03Z", "prefix": ""}
    out.width = 80
    out.print(tables.keys([KEY | first, KEY | worker | revoked], out.width))  # type: ignore[list-item]

    assert [line.rstrip() for line in lines_of(out)] == [
        "name                    role    begins with   created           revoked",
        "first admin             admin   netmorph_abc  2024-05-06 07:08  –",
        "a long name a long na…  worker  –             2024-05-06 07:08  2024-05-07 01:02",
    ]


def test_a_narrow_list_of_data_sets_has_room_for_large_ones(out: Console) -> None:
    large = {"name": "photos of all birds", "version": 12, "input_shape": [3, 1024, 1024]}
    sizes = {"classes": 1000, "train_examples": 1_281_167, "test_examples": 50_000}
    out.width = 80
    out.print(tables.datasets([DATASET | large | sizes | {"bytes": 150 * 2**30}], out.width))  # type: ignore[list-item]

    assert max(map(len, lines_of(out))) <= 80
    assert "…" not in "".join(lines_of(out))
    text = " ".join("".join(lines_of(out)[1:]).split())
    for cell in ("0c0ffee0", "3 × 1024 × 1024", "1,281,167", "50,000", "153,600.0 MiB"):
        assert cell in text


def test_a_cell_without_room_ends_in_an_ellipsis(out: Console) -> None:
    out.width = 20
    out.print(tables.keys([KEY], out.width))  # type: ignore[list-item]

    assert "…" in lines_of(out)[1]


def test_a_regression_is_shown_with_its_errors() -> None:
    assert tables.test_text(REGRESSION) == "R² -0.1 (RMSE 60)"  # type: ignore[arg-type]
    text = "R² 0.4567 ± 0.012 (trial 2; RMSE 54.32, MAE 43.2)"
    assert best_text(REGRESSION) == text  # type: ignore[arg-type]


HOOK = {
    "id": SEARCH_ID, "name": "chat", "url": "https://example.org", "events": ["search.completed"],
}  # fmt: skip
DELIVERY = {
    "id": SEARCH_ID, "created_at": "2024-05-06T07:08:09Z", "event": "search.completed",
    "status": "delivered", "attempts": 1, "error": None,
}  # fmt: skip
LONG = FINISHED | {"name": "a long name " * 5, "dataset": {"id": "d", "name": "data " * 9}}
ABROAD = NEW | {"owner": {"id": "o", "name": "somebody else"}}


@pytest.mark.parametrize(
    ("width", "lines"),
    [
        (
            40,
            [
                "id        name                 status",
                "0c0ffee0  a long name a long…  completed",
                "0c0ffee0  a [bold]search :ca…  pending",
            ],
        ),
        (
            60,
            [
                "id        name                    status     trials  best",
                "0c0ffee0  a long name a long na…  completed  8 of 8  95.68 %",
                "0c0ffee0  a [bold]search :cat:    pending    0       –",
            ],
        ),
    ],
)
def test_a_very_narrow_list_leaves_out_what_is_less_important_than_the_name(
    out: Console, width: int, lines: list[str]
) -> None:
    out.width = width
    out.print(tables.searches([LONG, ABROAD], width))  # type: ignore[list-item]
    assert [line.rstrip() for line in lines_of(out)] == lines


@pytest.mark.parametrize("width", [32, 40, 50, 60, 79])
@pytest.mark.parametrize(
    ("list_of", "items", "first"),
    [
        (tables.searches, [LONG, ABROAD], ["id", "name", "status"]),
        (tables.datasets, [DATASET, DATASET | {"name": "photos"}], ["id", "name"]),
        (tables.webhooks, [HOOK], ["id", "name", "url"]),
        (tables.deliveries, [DELIVERY | {"event": "ping"}], ["id", "event", "status"]),
        (tables.trials, TRIALS, ["no", "status", "value"]),
    ],
    ids=["searches", "data sets", "webhooks", "deliveries", "trials"],
)
def test_a_list_is_complete_in_what_it_shows_on_every_terminal(
    out: Console, list_of: Any, items: Any, first: list[str], width: int
) -> None:
    out.width = width
    out.print(list_of(items, width))
    labels, *rows = lines_of(out)
    assert max(map(len, rows)) <= width
    assert set(first) <= set(labels.split())
    assert "…" not in labels
    for row in rows:
        assert "…" not in row.split("  ")[0] + row.rstrip()[-1]  # names alone are shortened


def test_a_very_narrow_list_of_keys_has_days(out: Console) -> None:
    out.width = 40
    revoked = KEY | {"revoked_at": "2025-01-02T03:04:05Z", "name": "a long name " * 5}
    out.print(tables.keys([KEY, revoked], out.width))  # type: ignore[list-item]
    assert [line.rstrip() for line in lines_of(out)] == [
        "name            begins with   revoked",
        "me              netmorph_abc  –",
        "a long name a…  netmorph_abc  2025-01-02",
    ]


def test_a_front_names_the_network_that_it_began_with_where_it_is_beaten_too():
    point = {"number": 3, "value": 0.9, "parameters": 1000, "flops": 1, "latency": None}
    root = point | {"number": 0, "value": 0.8, "parameters": 3984}
    front = {"metric": "accuracy", "cost": "parameters", "items": [point], "root": root}
    beaten = "80.00 % with 3,984 parameters (trial 0, the root, beaten by the front)"
    found = "90.00 % with 1,000 parameters (trial 3)"
    assert [*tables.points(front, True)] == [beaten, found]  # type: ignore[arg-type]
    front["items"] = [point, root]
    kept = "80.00 % with 3,984 parameters (trial 0, the root)"
    assert [*tables.points(front, True)] == [found, kept]  # type: ignore[arg-type]
