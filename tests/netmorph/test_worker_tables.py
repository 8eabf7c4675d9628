"""Workers and what they trained as tables, on wide and on narrow terminals."""

from typing import Any

import pytest
from rich.console import Console, RenderableType

from netmorph import worker_tables
from tests.netmorph.samples import lines_of

WORKER: dict[str, Any] = {
    "id": "0c0ffee0-0000-4000-8000-000000000003",
    "name": "gpu-node-17.of.a.long.domain",
    "device": "cuda:0 NVIDIA H200",
    "precision": "bf16 channels-last",
    "samples_per_second": 123_456.0,
    "memory": 139 * 2**30,
    "memory_exceeded": 150e9,
    "threads": 16,
    "seen_at": "2024-05-06T07:08:09.123Z",
    "trial_id": "0dd5eed0-0000-4000-8000-000000000004",
    "draining": True,
}
TRIAL: dict[str, Any] = {
    "ended_at": "2024-05-06T07:08:09.123Z",
    "search_name": "a search with a long name",
    "kind": "final",
    "number": 123,
    "status": "infeasible",
    "seconds": 36_125.0,
    "samples_per_second": 123_456.0,
    "precision": "bf16 channels-last",
}
PROBLEM: dict[str, Any] = {
    "ended_at": "2024-05-06T07:08:09.123Z",
    "search_name": "a search with a long name",
    "kind": "search",
    "number": 4,
    "attempt": 2,
    "tried_again": True,
    "reason": "CUDA error: device-side assert triggered",
}


def printed(out: Console, table: RenderableType, width: int) -> list[str]:
    """The lines of a table on a terminal of this width, without spaces at their ends."""
    out.width = width
    out.print(table)
    assert max(map(len, lines_of(out))) <= width
    return [line.rstrip() for line in lines_of(out)]


def test_a_narrow_list_of_workers_has_every_name_and_fact(out: Console) -> None:
    assert printed(out, worker_tables.workers([WORKER], 80), 80) == [
        "name                 examples/s  memory   threads  last seen            trains",
        "gpu-node-17.of.a.l…  123,456     139 GiB  16       2024-05-06 07:08:09  0dd5eed0",
        "    cuda:0 NVIDIA H200; bf16 channels-last; ran out of memory at 150,000 MB;",
        "    draining",
    ]


def test_a_very_narrow_list_of_workers_leaves_out_what_is_less_important(out: Console) -> None:
    assert printed(out, worker_tables.workers([WORKER], 40), 40)[:2] == [
        "name                examples/s  trains",
        "gpu-node-17.of.a.…  123,456     0dd5eed0",
    ]


def test_a_wide_list_of_workers_has_one_line_for_each(out: Console) -> None:
    header, line = printed(out, worker_tables.workers([WORKER], 200), 200)
    assert header.split()[:3] == ["name", "device", "precision"]
    assert "139 GiB, ran out at 150,000 MB" in line
    assert line.endswith(f"{WORKER['trial_id']}  draining")


@pytest.mark.parametrize(
    ("width", "lines"),
    [
        (
            80,
            [
                "123 (final fit)  infeasible  10:02:05  123,456",
                "    bf16 channels-last",
            ],
        ),
        (160, ["123 (final fit)  infeasible  10:02:05  123,456     bf16 channels-last"]),
    ],
)
def test_the_trials_of_a_worker_are_shown_to_their_ends(
    out: Console, width: int, lines: list[str]
) -> None:
    _, first, *rest = printed(out, worker_tables.trials([TRIAL], width), width)
    assert first.startswith("2024-05-06 07:08:09  a sear")
    assert first.endswith(lines[0])
    assert rest == lines[1:]


def test_a_narrow_list_of_problems_has_their_reasons_on_lines_of_their_own(out: Console) -> None:
    assert printed(out, worker_tables.problems([PROBLEM], 80), 80) == [
        "ended                search                     trial  attempt  again",
        "2024-05-06 07:08:09  a search with a long name  4      2        yes",
        "    CUDA error: device-side assert triggered",
    ]
