"""The parts of the documents that come from the code are current."""

from pathlib import Path

import pytest

from core.protocol.states import TRIAL_SOURCES
from docs import generate

#: By name, as every process of a test run collects the tests, and one of them makes the pages.
NAMES = (
    "architecture.md",
    "reference/commands.md",
    "reference/metrics.md",
    "reference/openapi.json",
    "reference/python.md",
    "reference/rest.md",
    "reference/settings.md",
    "security.md",
)


@pytest.fixture(scope="module")
def pages() -> dict[Path, str]:
    """The generated files and what stands in them."""
    return generate.pages()


@pytest.mark.parametrize("name", NAMES)
def test_a_generated_page_is_current(pages, name):
    path = generate.DOCS / name
    assert path.read_text() == pages[path], "run `make docs` and commit the result"


def test_every_generated_page_is_compared(pages):
    assert set(pages) == {generate.DOCS / name for name in NAMES}


@pytest.mark.parametrize(
    ("name", "sources"),
    [("states of a search", generate.SEARCH_MOVES), ("states of a trial", TRIAL_SOURCES)],
)
def test_a_diagram_has_each_transition_of_the_table_once(name, sources):
    diagram = generate.state_diagrams()[name]
    for target, starts in sources.items():
        for source in starts:
            assert diagram.count(f"    {source} --> {target}\n") == 1
    arrows = diagram.count(" --> ") - diagram.count("[*]")
    assert arrows == sum(map(len, sources.values()))


def test_every_setting_is_on_its_page():
    page = generate.settings_page()
    for settings in (generate.api.settings.Settings, generate.worker.settings.Settings):
        for name in settings.model_fields:
            assert f"| `NETMORPH_{name.upper()}` | " in page


def test_every_metric_is_on_its_page_with_its_labels():
    page = generate.metrics_page()
    for metric in generate.METRICS.values():
        (row,) = [line for line in page.splitlines() if line.startswith(f"| `{metric.name}` |")]
        assert all(f"`{label}`: " in row for label in metric.labels)


def test_the_name_of_a_metric_has_its_unit():
    units = ("_seconds", "_bytes", "_total")
    things = {"netmorph_searches", "netmorph_trials", "netmorph_workers", "netmorph_controllers",
              "netmorph_build_info", "netmorph_pool_connections"}  # fmt: skip
    for name, metric in generate.METRICS.items():
        assert name.startswith("netmorph_")
        assert name.endswith(units) or name in things
        assert name.endswith("_total") == (metric.kind == "counter")


def test_the_page_of_settings_shows_no_secret():
    assert "**" not in generate.settings_page()
