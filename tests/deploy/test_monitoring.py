"""Alert rules and dashboard: every query is valid and names metrics and labels that exist."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml

from api.instruments import METRICS

ROOT = Path(__file__).parents[2]
ALERTS = ROOT / "deploy" / "prometheus" / "netmorph-alerts.yml"
ALERT_TESTS = ALERTS.with_name("netmorph-alerts.test.yml")
DASHBOARD = ROOT / "deploy" / "grafana" / "netmorph.json"
PAGE = ROOT / "docs" / "operations" / "monitoring.md"
#: The metrics of Prometheus itself, and of any process, that the files may use.
FOREIGN = {"up", "process_resident_memory_bytes"}
ADDED = {"job", "instance", "le"}  # labels that Prometheus and histograms add
SERIES = {
    series: metric
    for metric in METRICS.values()
    for series in (
        [f"{metric.name}_{part}" for part in ("bucket", "sum", "count")]
        if metric.kind == "histogram"
        else [metric.name]
    )
}


def rules() -> list[dict[str, Any]]:
    groups = yaml.safe_load(ALERTS.read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def panels() -> list[dict[str, Any]]:
    return json.loads(DASHBOARD.read_text())["panels"]


def queries() -> Iterator[Any]:
    for rule in rules():
        yield pytest.param(rule["expr"], id=rule["alert"])
    for panel in panels():
        for target in panel.get("targets", []):
            yield pytest.param(target["expr"], id=f"{panel['title']} {target['refId']}")


def selectors(query: str) -> list[Any]:
    """The series that a query selects."""
    found: list[Any] = []
    promql_parser.walk(
        promql_parser.parse(query),
        lambda node: found.append(node) if type(node).__name__ == "VectorSelector" else None,
    )
    return found


@pytest.mark.parametrize("query", list(queries()))
def test_a_query_is_valid_and_selects_series_that_exist(query) -> None:
    found = selectors(query)
    assert found
    for selector in found:
        assert selector.name in SERIES.keys() | FOREIGN
        labels = SERIES[selector.name].labels if selector.name in SERIES else {}
        for matcher in selector.matchers.matchers:
            assert matcher.name in labels.keys() | ADDED
            listed = set(re.findall("`([^`]+)`", labels.get(matcher.name, "")))
            if listed and re.fullmatch(r"[\w|]+", matcher.value):
                assert set(matcher.value.split("|")) <= listed


def test_a_query_of_a_metric_that_does_not_exist_would_be_noticed() -> None:
    (one,) = selectors("rate(netmorph_nothing_total[5m])")
    assert one.name not in SERIES.keys() | FOREIGN


def test_every_metric_is_on_the_dashboard() -> None:
    shown = {
        SERIES[selector.name].name
        for panel in panels()
        for target in panel.get("targets", [])
        for selector in selectors(target["expr"])
        if selector.name in SERIES
    }
    assert shown == set(METRICS)


def test_every_alert_has_a_severity_a_summary_and_a_row_on_the_page() -> None:
    on_page = re.findall(r"^\| `(Netmorph\w+)` \|", PAGE.read_text(), re.MULTILINE)
    assert [rule["alert"] for rule in rules()] == on_page
    for rule in rules():
        assert rule["labels"]["severity"] in {"warning", "critical"}
        assert rule["annotations"]["summary"]


def test_every_alert_has_a_unit_test() -> None:
    tests = yaml.safe_load(ALERT_TESTS.read_text())["tests"]
    raised = {
        one["alertname"]
        for test in tests
        for one in test.get("alert_rule_test", [])
        if one["exp_alerts"]
    }
    assert raised == {rule["alert"] for rule in rules()}


@pytest.mark.skipif(
    shutil.which("promtool") is None, reason="promtool comes with Debian's package prometheus"
)
def test_the_alerts_pass_their_unit_tests() -> None:
    finished = subprocess.run(
        ["promtool", "test", "rules", ALERT_TESTS.name],
        cwd=ALERT_TESTS.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 0, finished.stdout + finished.stderr


def test_panels_have_ids_of_their_own_and_do_not_overlap() -> None:
    found = panels()
    assert len({panel["id"] for panel in found}) == len(found)
    for one, other in combinations((panel["gridPos"] for panel in found), 2):
        beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        below = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert beside or below


def test_the_dashboard_asks_for_its_data_source() -> None:
    dashboard = json.loads(DASHBOARD.read_text())
    (variable,) = dashboard["templating"]["list"]
    assert (variable["name"], variable["type"]) == ("datasource", "datasource")
    sources = {panel["datasource"]["uid"] for panel in panels() if panel["type"] != "row"}
    assert sources == {"${datasource}"}
