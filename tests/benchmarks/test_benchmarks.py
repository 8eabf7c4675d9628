"""The benchmarks run and print the documented results."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import make_url

from benchmarks import suggestion
from benchmarks.histories import DEEPEST, SHALLOWEST, history, of_depth
from core.morphisms import MORPHISMS
from netmorph.commands import bench
from netmorph.errors import ClientError

ROOT = Path(__file__).resolve().parents[2]


def measured(name: str, *options: str) -> dict[str, Any]:
    """The output of a quick run without peers."""
    command = [sys.executable, "-m", f"benchmarks.{name}", "--json", "--quick", "--no-peers"]
    done = subprocess.run(
        [*command, *options], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    found: dict[str, Any] = json.loads(done.stdout)
    assert {value for key, value in found.items() if key.startswith("peer_us")} <= {None}
    return found


def test_suggestions_are_timed_with_all_their_candidates_over_several_sizes():
    found = measured("suggestion")
    assert list(found["sizes"]) == ["5", "50", "200"]
    assert found["n"] == 200
    assert found["sizes"]["200"] == found["seconds_per_suggestion"]
    assert -1 < found["growth_exponent"] < 3
    assert found["candidates_scored"] >= 700
    parts = found["parts"]
    assert set(parts) == {
        "fit", "search", "search_morphisms", "search_choice", "distances", "posterior"
    }  # fmt: skip
    assert all(0 < part < 10 * found["seconds_per_suggestion"] for part in parts.values())
    assert found["peer_seconds_per_suggestion"] is None
    assert found["first"] > 0
    assert found["peak"]["seconds"] >= found["seconds_per_suggestion"]
    assert found["peak"]["mebibytes"] > 0


def test_growth_is_the_exponent_of_the_power_law_beyond_the_shortest_histories():
    times = {5: 9.0, 25: 2.5, 50: 10.0, 200: 160.0}
    found = [{"n": n, "seconds_per_suggestion": seconds} for n, seconds in times.items()]
    assert suggestion.growth(found) == pytest.approx(2.0)
    assert suggestion.growth(found[:2]) is None


def test_distances_are_timed_by_depth():
    found = measured("distance")
    assert found["matrix_100_ms"] > 0
    for depth in (10, 20, 40):
        assert found[f"us_per_pair_{depth}"] > 0
        assert found[f"us_skips_per_pair_{depth}"] > 0
        assert 0 < found[f"us_per_child_{depth}"] < 2 * found[f"us_per_child_recomputed_{depth}"]
    assert found["us_per_pair_10"] < found["us_per_pair_40"]


@pytest.mark.slow  # the same is tested of the code: tests/core/conformance, tests/worker/trainer
def test_morphisms_keep_the_function():
    found = measured("morphism", "--chains", "16")
    assert found["chains"] == 16
    assert found["crashes"] == 0
    assert 0 < found["max_relative_change_f64"] < 1e-10
    assert 0 < found["max_relative_change_f32"] < 1e-5
    assert set(found["kinds"]) == set(MORPHISMS)
    assert all(kind["transfer_us"] > 0 for kind in found["kinds"].values())
    left = found["shrinking"]["resnet"]
    for kind in ("narrow", "remove_layer", "remove_skip"):
        assert left[kind]["with_least_squares"]["change"] < left[kind]["without"]["change"]
        assert left[kind]["with_least_squares"]["accuracy"] > left[kind]["without"]["accuracy"]


def test_histories_are_seeded_and_of_all_depths():
    trials = history(60)
    assert [t.architecture.fingerprint for t in trials] == [
        t.architecture.fingerprint for t in history(60)
    ]
    assert history(20) == trials[:20]
    assert [t.value for t in trials] != [t.value for t in history(60, seed=1)]
    assert len({t.architecture.fingerprint for t in trials}) == 60
    depths = [len(t.architecture.nodes) for t in trials]
    assert SHALLOWEST <= min(depths) < 20 < 30 < max(depths) <= DEEPEST


@pytest.mark.parametrize("layers", [10, 20, 40])
def test_architectures_have_the_requested_depth(layers):
    found = of_depth(layers, 5)
    assert {len(one.nodes) for one in found} == {layers}
    assert len(set(found)) == 5


def test_the_trainer_is_timed():
    found = measured("trainer")
    assert found["samples_per_second"] > 0
    assert found["first_step_seconds"] > 0
    assert found["parameters"] == 468_766
    assert found["precision"]
    assert (found["ratio"], found["ratio_fp32"]) == (None, None)


@pytest.mark.slow
def test_arms_of_the_recipe_are_trained_and_compared_with_the_base():
    found = measured("recipe")["digits"]
    assert found["base"]["difference"] == 0
    for arm in found.values():
        assert 0 <= arm["error"] < 60  # chance is 90
        assert arm["seeds"] == 1
        assert arm["difference"] == pytest.approx(arm["error"] - found["base"]["error"])


def test_simulated_workers_load_the_service_without_losing_a_result():
    found = measured("load")
    assert (found["workers"], found["searches"], found["offered_per_second"]) == (50, 10, 40.0)
    assert found["results_per_second"] > 0
    assert found["p50_ms"] <= found["p99_ms"]
    checked = ("lost", "double_counted", "leases_expired", "rejected", "without_answer")
    assert {name: found[name] for name in checked} == dict.fromkeys(checked, 0)
    assert set(found["cpu_ms"]) == {"lease", "heartbeat", "epoch", "result", "result_and_lease"}


@pytest.mark.slow
def test_a_disturbed_service_loses_no_result():
    cells = ("readers", "burst", "restart", "killed-backends", "crash")
    found = measured("load", "--cells", *cells)
    assert list(found) == ["baseline", *cells]
    assert {(one["lost"], one["double_counted"]) for one in found.values()} == {(0, 0)}
    assert found["baseline"]["results_per_second"] > 0


@pytest.mark.slow
def test_one_search_keeps_simulated_workers_busy():
    found = measured("scaling")
    assert set(found) == {"random", "bayesian"}
    for one in found.values():
        assert all(0 < figures["efficiency"] < 1.6 for figures in one.values())


@pytest.mark.slow
def test_a_users_own_server_is_measured_and_left_as_it_was(database_server):
    plain = make_url(database_server).set(drivername="postgresql")
    url = plain.render_as_string(hide_password=False)
    names = "SELECT datname FROM pg_database WHERE datname LIKE 'netmorph_load_%'"
    found = bench.measure({}, quick=True, database_url=url)
    assert (found["lost"], found["double_counted"]) == (0, 0)
    with psycopg.connect(url) as connection:
        assert connection.execute(names).fetchall() == []
    with pytest.raises(ClientError, match="the measurement failed"):
        bench.measure({}, quick=True, database_url="postgresql://nobody@127.0.0.1:1/nothing")
