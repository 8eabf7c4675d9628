"""Figures of the service become pictures that load nothing."""

import xml.etree.ElementTree as ET
from typing import Any

import pytest

from netmorph.charts import svg

SVG = "{http://www.w3.org/2000/svg}"


def figure(*traces: dict[str, Any], kind: str = "linear", ticks: str = ".1%") -> dict[str, Any]:
    return {
        "data": list(traces),
        "layout": {
            "xaxis": {"title": {"text": "cost & <i>size</i>"}, "type": kind},
            "yaxis": {"title": {"text": "accuracy"}, "tickformat": ticks},
        },
    }


POINTS = {
    "x": [1, 2, 4], "y": [0.5, None, 0.75], "mode": "markers", "name": "<b>trials</b>",
    "marker": {"color": 'red" onload="x'},
}  # fmt: skip
BEST = {
    "x": [1, 2, 4], "y": [0.5, 0.6, 0.75], "mode": "lines", "name": "best",
    "line": {"shape": "hv", "color": "#0b6e75"},
}  # fmt: skip


def parts(picture: ET.Element, name: str) -> list[ET.Element]:
    return list(picture.iter(f"{SVG}{name}"))


def test_points_and_stepped_lines_are_drawn_and_text_is_escaped() -> None:
    picture = ET.fromstring(svg(figure(POINTS, BEST), "values by <trial>"))
    assert picture.get("aria-label") == "values by <trial>"
    dots = parts(picture, "circle")
    assert [dot[0].text for dot in dots] == ["1: 50 %", "4: 75 %"]  # without the missing value
    assert {dot.get("fill") for dot in dots} == {"#8a949e"}  # what is no colour is not passed on
    first, last = (float(dot.get("cy", "")) for dot in dots)
    assert first > last  # better values are higher
    (line,) = [path for path in parts(picture, "path") if path.get("stroke") == "#0b6e75"]
    assert line.get("d", "").count("H") == line.get("d", "").count("V") == 2
    texts = [text.text for text in parts(picture, "text")]
    assert {"<b>trials</b>", "best", "cost & <i>size</i>", "accuracy", "50 %", "1", "4"} <= {*texts}
    assert "1.5" not in texts  # there is no such trial


def test_lines_without_a_legend_have_their_names_as_titles() -> None:
    many = figure(*({**BEST, "name": f"trial <{number}>"} for number in range(24)))
    many["layout"]["showlegend"] = False
    picture = ET.fromstring(svg(many, "curves"))
    assert not parts(picture, "rect")
    titles = [title.text for title in parts(picture, "title")]
    assert titles == [f"trial <{number}>" for number in range(24)]


def test_a_logarithmic_axis_has_its_powers_at_equal_distances() -> None:
    points = {"x": [1_000, 10_000, 100_000], "y": [1, 2, 3], "mode": "lines+markers"}
    picture = ET.fromstring(svg(figure(points, kind="log", ticks=".3~g"), "front"))
    a, b, c = (float(dot.get("cx", "")) for dot in parts(picture, "circle"))
    assert b - a == pytest.approx(c - b)
    assert {"1,000", "10,000", "100,000"} <= {text.text for text in parts(picture, "text")}


def test_one_point_has_axes_too() -> None:
    picture = ET.fromstring(svg(figure({"x": [0], "y": [0.5], "mode": "markers"}), "one"))
    assert len(parts(picture, "circle")) == 1


def test_a_figure_without_points_is_no_picture() -> None:
    assert svg(figure({"x": [], "y": []}, {"x": [1], "y": [None]}), "none") == ""
