"""The log of a search in words."""

from typing import Any

from netmorph import event_log
from tests.netmorph.samples import WIDER

SEARCH: Any = {
    "strategy": "bayesian", "dataset": {"name": "digits"}, "status": "stopped",
    "reason": "stopped by\na friend", "created_at": "2026-01-02T10:00:00.5Z",
    "started_at": "2026-01-02T10:00:01Z", "ended_at": "2026-01-02T10:09:00Z",
}  # fmt: skip
TRIAL: Any = WIDER | {
    "created_at": "2026-01-02T10:01:00Z", "started_at": "2026-01-02T10:02:00Z",
    "ended_at": "2026-01-02T10:03:00Z", "worker": "gpu-1", "attempt": 2, "remark": "", "epochs": 5,
    "reason": "it gains too little", "status": "stopped", "value": 0.9, "seconds": 61.0,
}  # fmt: skip


def test_the_log_of_a_search_has_every_event_in_the_order_of_time() -> None:
    lines = [event_log.line(event) for event in event_log.of_search(SEARCH, [TRIAL])]
    assert lines == [
        "2026-01-02 10:00:00  created: bayesian on digits",
        "2026-01-02 10:00:01  started",
        "2026-01-02 10:01:00  trial 2 made: widen convolution 1 from 8 to 16 filters, then "
        "add a skip from 3 to 7",
        "2026-01-02 10:02:00  trial 2 started on gpu-1, attempt 2",
        "2026-01-02 10:03:00  trial 2 stopped with 90.00 % after 5 epochs, 1:01: it gains too "
        "little",
        "2026-01-02 10:09:00  stopped: stopped by a friend",
    ]


def test_the_log_says_what_was_expected_of_a_trial() -> None:
    predicted = TRIAL | {"predicted_mean": 0.925, "predicted_std": 0.011}
    made = next(event_log.of_trial(predicted, SEARCH))
    assert made["text"].endswith("add a skip from 3 to 7; expected 92.50 % ± 1.10 %")


def test_the_log_of_an_extended_search_starts_with_its_first_trial() -> None:
    extended = SEARCH | {"started_at": "2026-01-02T10:08:00Z"}
    (start,) = [one for one in event_log.of_search(extended, [TRIAL]) if one["text"] == "started"]
    assert start["at"] == TRIAL["started_at"]


def test_the_log_has_the_exports_of_single_trials() -> None:
    done: Any = {
        "number": 2, "attempt": 2, "status": "completed", "reason": "", "test_metric": 0.875,
        "created_at": "2026-01-02T10:05:00Z", "started_at": "2026-01-02T10:06:00Z",
        "ended_at": "2026-01-02T10:07:00Z",
    }  # fmt: skip
    failed = done | {"number": 1, "status": "failed", "test_metric": None, "reason": "no disk"}
    waiting = done | {"number": 0, "status": "waiting", "started_at": None, "ended_at": None}
    exports = [done, failed, waiting]
    lines = [event_log.line(event) for event in event_log.of_search(SEARCH, [], exports)]
    assert lines[2:-1] == [
        "2026-01-02 10:05:00  trial 2 export ordered",
        "2026-01-02 10:05:00  trial 1 export ordered",
        "2026-01-02 10:05:00  trial 0 export ordered",
        "2026-01-02 10:06:00  trial 2 export started, attempt 2",
        "2026-01-02 10:06:00  trial 1 export started, attempt 2",
        "2026-01-02 10:07:00  trial 2 export completed with 87.50 % on the test split",
        "2026-01-02 10:07:00  trial 1 export failed: no disk",
    ]


def test_an_epoch_is_one_line() -> None:
    epoch: Any = {
        "attempt": 1, "epoch": 3, "seconds": 61.4, "validation_metric": 0.5, "train_loss": 1.25,
        "validation_loss": None,
    }  # fmt: skip
    line = "  attempt 1 epoch 3  1:01  50.00 %  train loss 1.25"
    assert event_log.epoch_line(epoch) == line
