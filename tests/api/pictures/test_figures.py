"""Figures: complete, of the right attempts, and in the words of their task type."""

import json
import re
from datetime import timedelta
from uuid import uuid4

import pytest

from api.dashboard import search_log
from api.pictures import figures, surrogate, trial_curves
from api.pictures.plots import THEMES
from api.schemas.epochs import EpochOut
from api.schemas.searches import Best
from core.errors import UnknownKind
from core.protocol.contracts.search_config import Cost
from core.protocol.states import TrialStatus


@pytest.mark.parametrize("name", figures.NAMES)
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_figures_without_values_are_valid_json(watched, name, theme):
    search, listed = watched()
    for some in (listed, []):
        made = figures.build(name, search, some, [], theme)
        assert json.dumps(made, allow_nan=False)


def test_the_best_so_far_never_falls(watched):
    search, listed = watched()
    layout = figures.build("best-so-far", search, [], [])["layout"]
    assert (layout["annotations"][0]["text"], layout["yaxis"]["visible"]) == (
        "No trial has a value.",
        False,
    )
    values = [0.5, 0.9, 0.4]
    shown = [
        listed[0].model_copy(update={"value": value, "number": number, "id": uuid4()})
        for number, value in enumerate(values)
    ]
    lines = figures.build("best-so-far", search, shown, [])["data"]
    (best,) = [line for line in lines if line["name"] == "best so far"]
    assert list(best["y"]) == [0.5, 0.9, 0.9]
    (dots,) = [line for line in lines if line["name"] == "trials"]
    assert list(dots["y"]) == values


def test_the_front_has_the_trials_that_none_beats_in_value_and_cost(watched):
    search, listed = watched()
    measured = [
        (0.5, 100, 0.002),
        (0.9, 400, 0.001),
        (0.4, 200, 0.003),
        (None, 50, 0.001),
        (0.8, 300, None),
    ]
    shown = [
        listed[0].model_copy(
            update={"value": v, "parameters": p, "latency": t, "number": n, "id": uuid4()}
        )
        for n, (v, p, t) in enumerate(measured)
    ]
    for cost, expected, others in (
        (Cost.PARAMETERS, ([100, 300, 400], ["0", "4", "1"]), ["2"]),
        (Cost.LATENCY, ([1.0], ["1"]), ["0", "2"]),  # milliseconds
    ):
        asked = search.model_copy(update={"cost": cost})
        lines = {line["name"]: line for line in figures.build("front", asked, shown, [])["data"]}
        assert (list(lines["front"]["x"]), list(lines["front"]["text"])) == expected
        assert list(lines["other trials"]["text"]) == others
        assert cost.value in json.dumps(figures.build("front", asked, shown, [])["layout"])


@pytest.mark.parametrize("larger", [True, False])
def test_a_trial_that_has_learned_nothing_does_not_flatten_the_front(watched, larger):
    search, listed = watched()
    search = search.model_copy(update={"larger_is_better": larger})
    values = [0.9, 0.91, 0.92, 0.93, 0.1] if larger else [0.3, 0.29, 0.28, 0.27, 7.0]
    shown = [
        listed[0].model_copy(
            update={"value": value, "parameters": number, "number": number, "id": uuid4()}
        )
        for number, value in enumerate(values)
    ]
    low, high = figures.build("front", search, shown, [])["layout"]["yaxis"]["range"]
    assert low < min(values[:4]) < max(values[:4]) < high
    assert high - low < 0.05


def test_an_unknown_figure_is_refused(watched):
    search, listed = watched()
    with pytest.raises(UnknownKind, match="best-so-far"):
        figures.build("pie", search, listed, [])


def test_the_band_is_the_standard_error_around_the_best(watched):
    search, listed = watched()
    shown = [
        listed[0].model_copy(update={"value": value, "value_std": std, "number": n, "id": uuid4()})
        for n, (value, std) in enumerate([(0.5, 0.1), (0.75, None), (0.96, 0.0625)])
    ]
    (band,) = [
        line
        for line in figures.build("best-so-far", search, shown, [])["data"]
        if line.get("fill") == "toself"
    ]
    assert band["x"] == [0, 1, 1, 2, 2, 2, 2, 1, 1, 0]
    assert band["y"] == [0.6, 0.6, 0.75, 0.75, 1.0, 0.8975, 0.75, 0.75, 0.4, 0.4]


def epoch(trial, number: int, attempt: int = 1, **values) -> EpochOut:
    measured = {
        "train_loss": 1.0 / number, "validation_loss": 2.0 / number,
        "validation_metric": 1 - 1 / number, "learning_rate": 0.1, "seconds": 10.0 * number,
    }  # fmt: skip
    return EpochOut(trial_id=trial.id, attempt=attempt, epoch=number, **(measured | values))


def test_curves_are_of_the_last_attempt(watched):
    search, listed = watched()
    first, second = (one.model_copy(update={"attempt": 2}) for one in listed)
    epochs = [epoch(first, 5), epoch(first, 1, 2), epoch(first, 2, 2), epoch(second, 1, 2)]
    curves = figures.build("learning-curves", search, [first, second], epochs)["data"]
    assert {one["name"]: (one["x"], one["y"]) for one in curves} == {
        "trial 0": ([10.0, 20.0], [0.0, 0.5]),
        "trial 1": ([10.0], [0.0]),
    }


def test_the_best_curves_are_shown_and_the_best_stands_out(watched):
    search, listed = watched()
    shown = [
        listed[0].model_copy(update={"value": n / 100 or None, "number": n, "id": uuid4()})
        for n in range(40)
    ]
    best = Best(trial_id=shown[-1].id, number=39, value=0.39, value_std=None, parameters=1)
    search = search.model_copy(update={"best": best})
    curves = figures.build("learning-curves", search, shown, [])["data"]
    assert [one["name"] for one in curves] == [f"trial {n}" for n in range(16, 40)]
    assert [one["name"] for one in curves if one["line"]["width"] == 3] == ["trial 39"]


def test_cold_first_epochs_do_not_squeeze_the_curves(watched):
    search, (trial, _) = watched()
    values = [0.1, 0.9, 0.92, 0.94]
    epochs = [epoch(trial, n + 1, validation_metric=value) for n, value in enumerate(values)]
    low, high = figures.build("learning-curves", search, [trial], epochs)["layout"]["yaxis"][
        "range"
    ]
    assert 0.89 < low < 0.91  # the median
    assert 0.94 < high < 0.95


def test_a_timeline_has_a_bar_for_each_trial_of_a_worker(watched):
    search, listed = watched()
    start = search.created_at
    search = search.model_copy(update={"started_at": start, "now": start + timedelta(minutes=9)})
    done, running = (
        one.model_copy(
            update={"worker": f"worker {n}", "started_at": start + timedelta(minutes=n)} | values
        )
        for n, (one, values) in enumerate(
            zip(
                listed,
                (
                    {"status": TrialStatus.COMPLETED, "ended_at": start + timedelta(minutes=4)},
                    {"status": TrialStatus.RUNNING, "ended_at": None},
                ),
                strict=True,
            )
        )
    )
    extended = search.model_copy(update={"started_at": start + timedelta(minutes=5)})
    for one_search in (search, extended):  # the clock of an extended one was set forward
        bars = figures.build("timeline", one_search, [done, running], [])["data"]
        assert [(one["name"], one["y"], one["base"], one["x"]) for one in bars] == [
            ("completed", ["worker 0"], [0.0], [4.0]),
            ("running", ["worker 1"], [1.0], [8.0]),
        ]
        log = search_log.entries(one_search, [done, running])
        assert [one.at for one in log if one.event == "started" and one.trial is None] == [start]


def test_calibration_is_the_share_of_values_inside_their_intervals(watched):
    search, listed = watched()
    shown = [
        listed[0].model_copy(
            update={
                "status": TrialStatus.COMPLETED, "predicted_mean": 0.5, "predicted_std": 0.1,
                "value": 0.5 + 0.1 * error, "number": n,
            }
        )
        for n, error in enumerate((0.0, 0.9, -1.1, 3.0))
    ]  # fmt: skip
    lines = figures.build("calibration", search, shown, [])["data"]
    shares = dict(zip(lines[1]["x"], lines[1]["y"], strict=True))
    assert [shares[level] for level in (0.5, 0.65, 0.75, 0.95)] == [0.25, 0.5, 0.75, 0.75]
    dots = figures.build("predictions", search, shown, [])["data"][1]
    assert (dots["x"], dots["y"]) == ([0.5] * 4, pytest.approx([0.5, 0.59, 0.39, 0.8]))


@pytest.mark.parametrize(
    ("settings", "choice"),
    [
        ({"strategy_options": {"beta": 3.5}}, "3.5 standard deviations better than predicted"),
        ({"strategy_options": {"acquisition": "log-ei"}}, "expected gain over the best trial"),
        ({"cost": Cost.FLOPS}, "the front of accuracy and flops"),
        ({"cost": Cost.FLOPS, "keep_accuracy": True}, "saving of flops times the chance to keep"),
        ({"strategy": "random"}, None),
        ({"strategy": "of a later release"}, None),
    ],
)
def test_the_acquisition_is_said_in_words(watched, settings, choice):
    search, _ = watched()
    said = surrogate.choice_in_words(search.model_copy(update=settings))
    assert choice in said if choice else said == ""


@pytest.mark.parametrize(
    ("mean", "in_percent", "bar"),
    [
        (0.5, True, (0.1, 0.1)),
        (1.0, True, (0.0, 0.1)),  # no accuracy is above 1
        (0.02, True, (0.1, 0.02)),
        (1.0, False, (0.1, None)),
    ],
)
def test_the_bar_of_a_predicted_share_ends_at_none_and_all(watched, mean, in_percent, bar):
    search, listed = watched()
    trial = listed[0].model_copy(
        update={
            "status": TrialStatus.COMPLETED, "predicted_mean": mean, "predicted_std": 0.1,
            "value": 0.5,
        }
    )  # fmt: skip
    search = search.model_copy(update={"in_percent": in_percent})
    bars = figures.build("predictions", search, [trial], [])["data"][1]["error_x"]
    assert (bars["array"], bars.get("arrayminus", [None])) == ([bar[0]], [bar[1]])


@pytest.mark.parametrize(("in_percent", "most"), [(True, 1.0), (False, 1.25)])
def test_many_bars_are_one_area_that_the_axis_has_room_for(watched, in_percent, most):
    """Each bar is as long as it is beside few others, which Plotly draws one by one."""
    search, listed = watched()
    search = search.model_copy(update={"in_percent": in_percent})
    shown = [
        listed[0].model_copy(
            update={
                "status": TrialStatus.COMPLETED, "predicted_std": 0.25, "number": k,
                "predicted_mean": 1 - k / 300, "value": 0.5 + k / 1000,
            }
        )
        for k in range(300)
    ]  # fmt: skip
    of_few = figures.build("predictions", search, shown[:200], [])
    few = of_few["data"][1]
    made = figures.build("predictions", search, shown, [])
    (area,), axis = made["layout"]["shapes"], made["layout"]["xaxis"]["range"]
    ends = [
        tuple(float(number) for number in re.split("[,H]", one))
        for one in area["path"].split("M")[1:]
    ]

    assert "error_x" not in made["data"][1]
    assert "shapes" not in of_few["layout"]
    above = few["error_x"]["array"]
    below = few["error_x"].get("arrayminus", above)
    for k, (low, value, high) in enumerate(ends[:200]):
        assert (few["x"][k] - below[k], few["x"][k] + above[k]) == pytest.approx(
            (low, high), rel=1e-5
        )
        assert value == pytest.approx(few["y"][k], rel=1e-5)
    assert len(ends) == 300
    assert max(high for _, _, high in ends) == pytest.approx(most)
    assert axis[0] < min(low for low, _, _ in ends)
    assert most < axis[1] < most + 0.2


@pytest.mark.parametrize(("larger_is_better", "value"), [(True, 1.0), (False, 0.2)])
def test_the_axis_of_one_observed_value_is_close_to_it(watched, larger_is_better, value):
    search, listed = watched()
    search = search.model_copy(update={"larger_is_better": larger_is_better})
    known = {"status": TrialStatus.COMPLETED, "predicted_mean": 0.9, "predicted_std": 0.1}
    trial = listed[0].model_copy(update=known | {"value": value})
    low, high = figures.build("predictions", search, [trial], [])["layout"]["yaxis"]["range"]
    assert low < value < high
    assert high - low < 0.02


@pytest.mark.parametrize(
    ("latencies", "digits"),
    [((2e-4, 4e-4), "~g"), ((2e-5, 4e-3), "~g"), ((2.0, 3.0), "~s"), ((2.0, 900.0), "~s")],
)
def test_milliseconds_below_one_are_no_thousandths_of_a_thousandth(watched, latencies, digits):
    search, listed = watched()
    shown = [
        listed[0].model_copy(update={"value": 0.5 + seconds / 1e4, "latency": seconds})
        for seconds in latencies
    ]
    asked = search.model_copy(update={"cost": Cost.LATENCY})
    assert figures.build("front", asked, shown, [])["layout"]["xaxis"]["tickformat"] == digits


def test_the_curves_of_a_trial_are_its_losses_and_its_metric(watched):
    search, (trial, _) = watched()
    curves = trial_curves.losses(search, trial, [epoch(trial, 1), epoch(trial, 2)])["data"]
    assert {one["name"]: (one["x"], one["y"], one["yaxis"]) for one in curves} == {
        "training loss": ([1, 2], [1.0, 0.5], "y"),
        "validation loss": ([1, 2], [2.0, 1.0], "y"),
        "validation accuracy": ([1, 2], [0.0, 0.5], "y2"),
    }


def test_the_axis_of_a_trial_that_is_always_right_shows_nothing_above_that(watched):
    search, (trial, _) = watched()
    perfect = [epoch(trial, number, validation_metric=1.0) for number in (1, 2)]
    axis = trial_curves.losses(search, trial, perfect)["layout"]["yaxis2"]
    assert axis["range"] == pytest.approx([0.99, 1.0006])  # the line is not cut off
    assert axis["tickmode"] == "auto"


def test_the_curves_of_a_final_fit_have_no_validation(watched):
    search, (trial, _) = watched()
    unseen = epoch(trial, 1, validation_loss=None, validation_metric=None)
    curves = trial_curves.losses(search, trial, [unseen], "dark")["data"]
    assert [one["name"] for one in curves] == ["training loss"]
    assert trial_curves.losses(search, trial, [])["data"] == []


def test_compared_curves_are_not_squeezed_by_a_cold_start_or_a_trial_that_did_not_learn(watched):
    search, (trial, other) = watched()
    trial = trial.model_copy(update={"value": 0.99})
    other = other.model_copy(update={"value": None})
    values = ((trial, (0.1, 0.97, 0.98, 0.99)), (other, (0.1,)))
    curves = [
        epoch(one, 1 + k, validation_metric=value)
        for one, found in values
        for k, value in enumerate(found)
    ]
    made = trial_curves.figure(search, [trial, other], curves, THEMES["light"])
    low, high = made["layout"]["yaxis"]["range"]
    assert 0.95 < low < 0.98 < 0.99 < high
    nothing = trial_curves.figure(search, [other], curves, THEMES["light"])
    assert "range" not in nothing["layout"]["yaxis"]
    few = [one for one in curves if one.trial_id == trial.id][:2]
    low, high = trial_curves.figure(search, [trial], few, THEMES["light"])["layout"]["yaxis"][
        "range"
    ]
    assert low < 0.1 < 0.97 < high, "of two epochs both are seen"


def test_a_metric_is_written_as_its_task_type_says(watched):
    """As a percentage within its range; as a plain number where its task type has no percentage."""
    search, listed = watched()
    shown = [listed[0].model_copy(update={"value": 0.96, "value_std": 0.0625})]

    def written() -> tuple[str, float]:
        made = figures.build("best-so-far", search, shown, [])
        (band,) = [line for line in made["data"] if line.get("fill") == "toself"]
        return made["layout"]["yaxis"]["tickformat"], max(band["y"])

    assert written() == (".2~%", 1.0)  # marks at each quarter of a per cent are told apart
    search = search.model_copy(update={"task": "regression", "metric": "RMSE", "in_percent": False})
    assert written() == (".3~g", 1.0225)


def test_of_a_metric_of_which_less_is_better_the_least_is_the_best_so_far(watched):
    search, listed = watched()
    changes = {"metric": "log-loss", "in_percent": False, "larger_is_better": False}
    search = search.model_copy(update=changes)
    values = (0.5, 0.8, 0.3)
    shown = [
        listed[0].model_copy(update={"number": number, "value": value, "value_std": 0.01})
        for number, value in enumerate(values)
    ]

    made = figures.build("best-so-far", search, shown, [])

    assert [line["y"] for line in made["data"] if line["name"] == "best so far"] == [
        [0.5, 0.5, 0.3]
    ]
    (front,) = [
        line
        for line in figures.build("front", search, shown, [])["data"]
        if line["name"] == "front"
    ]
    assert front["y"] == [0.3]


def test_only_few_bars_of_a_timeline_have_their_numbers_in_them(watched):
    search, listed = watched()
    started = {"worker": "w", "started_at": search.created_at, "ended_at": search.now}
    shown = [
        listed[0].model_copy(update={"number": k, "status": TrialStatus.COMPLETED} | started)
        for k in range(300)
    ]
    for count, position in ((10, "inside"), (300, "none")):
        (bars,) = figures.build("timeline", search, shown[:count], [])["data"]
        assert (bars["textposition"], len(bars["text"])) == (position, count)


def test_the_marks_of_many_trials_are_small_enough_to_stay_apart(watched):
    search, listed = watched()
    shown = [
        listed[0].model_copy(
            update={"value": 0.9 - k / 1000, "parameters": 1000 + k, "number": k, "id": uuid4()}
            | {"predicted_mean": 0.5, "predicted_std": 0.1, "status": TrialStatus.COMPLETED}
        )
        for k in range(300)
    ]
    for name in ("best-so-far", "front", "predictions"):
        sizes = {
            count: min(
                line["marker"]["size"]
                for line in figures.build(name, search, shown[:count], [])["data"]
                if line.get("x") and "marker" in line
            )
            for count in (10, 300)
        }
        assert sizes[300] < sizes[10], name
