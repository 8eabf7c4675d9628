"""Drawings and figures: well-formed, with everything in them, and text as text."""

import json
from pathlib import Path
from uuid import uuid4
from xml.etree import ElementTree

import pytest

from api import figures
from api.drawing import architecture_svg, lineage_svg
from api.store import searches, trials
from core.architecture import Architecture
from core.errors import UnknownKind

GOLDEN = sorted((Path(__file__).parents[1] / "assets" / "architectures").glob("*.json"))
SVG = "{http://www.w3.org/2000/svg}"


def load(path: Path) -> Architecture:
    return Architecture.from_json(json.loads(path.read_text())["architecture"])


def boxes(svg: str) -> list[ElementTree.Element]:
    return [one for one in ElementTree.fromstring(svg).iter(f"{SVG}rect")]


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_every_layer_has_its_box_within_the_drawing(path):
    architecture = load(path)
    svg = architecture_svg(architecture)
    root = ElementTree.fromstring(svg)
    found = boxes(svg)
    assert len(found) == len(architecture.nodes)
    for box in found:
        assert float(box.attrib["x"]) >= 0
        right = float(box.attrib["x"]) + float(box.attrib["width"])
        assert right <= float(root.attrib["width"])
    corners = {(box.attrib["x"], box.attrib["y"]) for box in found}
    assert len(corners) == len(found), "boxes lie on each other"


def test_what_is_new_against_the_parent_is_marked():
    parent, child = load(GOLDEN[0]), load(GOLDEN[-1])
    assert "new" not in architecture_svg(parent, parent)
    assert 'class="' in architecture_svg(child, parent)


@pytest.fixture
def watched(world):
    """A search with two trials, the second a child with a value, as its owner sees them."""
    caller = world.caller()
    search_id = world.search(caller)
    parent = world.trial(search_id)
    world.trial(search_id, parent_id=parent)

    def seen() -> tuple:
        with world.sessions.begin() as session:
            return (
                searches.get(session, caller, search_id),
                trials.listing(session, caller, search_id, limit=10).items,
            )

    return seen


def test_a_lineage_links_every_trial(watched):
    _, listed = watched()
    svg = lineage_svg(listed)
    links = [one.attrib["href"] for one in ElementTree.fromstring(svg).iter(f"{SVG}a")]
    assert sorted(links) == sorted(f"/trials/{trial.id}" for trial in listed)
    assert len([*ElementTree.fromstring(svg).iter(f"{SVG}path")]) == 1


def test_nothing_to_draw_is_drawn_as_nothing():
    assert lineage_svg([]) == ""


@pytest.mark.parametrize("name", figures.NAMES)
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_figures_without_values(watched, name, theme):
    search, listed = watched()
    for some in (listed, []):
        made = figures.build(name, search, some, [], theme)
        assert json.dumps(made, allow_nan=False)


def test_the_best_so_far_never_falls(watched):
    search, listed = watched()
    values = [0.5, 0.9, 0.4]
    told = [
        listed[0].model_copy(update={"value": value, "number": number, "id": uuid4()})
        for number, value in enumerate(values)
    ]
    lines = figures.build("best-so-far", search, told, [])["data"]
    (best,) = [line for line in lines if line["name"] == "best so far"]
    assert list(best["y"]) == [0.5, 0.9, 0.9]
    (dots,) = [line for line in lines if line["name"] == "trials"]
    assert list(dots["y"]) == values


def test_an_unknown_figure(watched):
    search, listed = watched()
    with pytest.raises(UnknownKind, match="best-so-far"):
        figures.build("pie", search, listed, [])
