"""Numbers as people read them."""

import pytest

from netmorph import formatting


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0:00"), (59.4, "0:59"), (59.6, "1:00"), (600, "10:00"), (3599.9, "1:00:00"),
     (90_061, "25:01:01")],
)  # fmt: skip
def test_a_duration_is_shown_as_a_clock(seconds: float, text: str) -> None:
    assert formatting.clock(seconds) == text


@pytest.mark.parametrize(
    ("value", "text"), [(None, "–"), (0.0, "0.00 %"), (0.98765, "98.77 %"), (1.0, "100.00 %")]
)
def test_a_share_is_shown_in_percent(value: float | None, text: str) -> None:
    assert formatting.percent(value) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "–"),
        (0.000214, "0.214 ms"),
        (0.01234, "12.3 ms"),
        (0.9996, "1,000 ms"),
        (2, "2,000 ms"),
    ],
)
def test_a_latency_is_shown_in_milliseconds(seconds: float | None, text: str) -> None:
    assert formatting.milliseconds(seconds) == text


@pytest.mark.parametrize(("used", "budget", "text"), [(3, 8, "3 of 8"), (3, None, "3")])
def test_a_count_is_shown_with_its_limit(used: int, budget: int | None, text: str) -> None:
    assert formatting.out_of(used, budget) == text
