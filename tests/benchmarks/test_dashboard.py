"""The benchmark of the dashboard measures each page of a search, without a browser and with one."""

import shutil

import pytest

from tests.benchmarks.test_benchmarks import measured

PAGES = {
    "overview", "trials", "lineage", "front", "surrogate", "log", "lineage of all", "compare",
}  # fmt: skip


def test_the_service_is_measured_for_each_page() -> None:
    found = measured("dashboard", "--no-browser")
    assert (found["trials"], found["browser"]) == (60, None)
    assert set(found["server"]) == PAGES
    for name, page in found["server"].items():
        assert all(page[f"{kind}_ms"] > 0 for kind in ("first", "refresh", "unchanged")), name
        assert page["first_bytes"] > page["refresh_bytes"], name
    whole = {"front", "trials", "surrogate", "lineage", "lineage of all", "compare"}
    for name in PAGES - {"log"}:  # of which the running trial grows with time
        assert found["server"][name]["unchanged_bytes"] < 3_000, name
    assert all(found["server"][name]["refresh_bytes"] > 0 for name in whole)
    assert found["streams"]["tabs"] == 20


@pytest.mark.slow
@pytest.mark.browser
def test_a_browser_is_measured_for_each_page() -> None:
    if shutil.which("chromium") is None:
        pytest.skip("Chromium is not installed")
    found = measured("dashboard")["browser"]
    assert set(found) == PAGES
    for name, page in found.items():
        assert 0 < page["interactive_s"] < 120, name
        assert page["cpu_s"] > 0, name
