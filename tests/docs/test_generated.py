"""The parts of the documents that come from the code are current."""

import pytest

from core.protocol.states import TRIAL_SOURCES
from docs import generate

PAGES = generate.pages()


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_a_generated_page_is_current(path):
    assert path.read_text() == PAGES[path], "run `make docs` and commit the result"


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
