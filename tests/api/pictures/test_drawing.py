"""Drawings: well-formed, with everything in them, and text as text."""

import json
import re
from dataclasses import replace
from pathlib import Path
from uuid import uuid4
from xml.etree import ElementTree

import numpy as np
import pytest

from api.pictures.drawing import architecture_svg, layer_label, lineage_svg
from api.schemas.searches import SearchOut
from api.schemas.trials import MorphismOut
from core.graph.architecture import Architecture
from core.graph.node import Node
from core.graph.roots import roots
from core.layers import (
    AvgPool2d,
    BatchNorm,
    Conv1d,
    Conv2d,
    Dense,
    Dropout,
    Flatten,
    HardSwish,
    Input,
    MaxPool1d,
    MaxPool2d,
    Output,
    ReLU6,
    Zero,
)
from core.morphisms import sample
from core.protocol.contracts.bounds import Bounds
from core.protocol.contracts.datasets import DatasetSpec
from core.protocol.states import TrialKind
from tests.strategies import LAYER_EXAMPLES

GOLDEN = sorted((Path(__file__).parents[2] / "assets" / "architectures").glob("*.json"))
SEARCH = SearchOut.model_construct(in_percent=True, larger_is_better=True)
SVG = "{http://www.w3.org/2000/svg}"
GAP = 16  # pixels between two rows of layers
BOX = 188  # pixels from the left to the right of a layer


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


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_every_connection_has_its_line(path):
    architecture = load(path)
    lines = ElementTree.fromstring(architecture_svg(architecture)).iter(f"{SVG}path")
    assert len([*lines]) == sum(len(node.inputs) for node in architecture.nodes)


def test_lines_between_columns_cross_no_box():
    """They turn in the gap between two rows, and are straight in a column that is free there."""
    longest = 0.0
    for path in GOLDEN:
        svg = architecture_svg(load(path))
        corners = [(float(box.attrib["x"]), float(box.attrib["y"])) for box in boxes(svg)]
        for line in ElementTree.fromstring(svg).iter(f"{SVG}path"):
            if line.attrib["class"] == "edge":
                numbers = [float(one) for one in re.findall(r"[\d.]+", line.attrib["d"])]
                x1, y1, top, *_, x2, bottom, y2 = numbers
                assert bottom - top <= GAP
                for x, start, end in ((x1, y1, top), (x2, bottom, y2)):
                    crossed = [y for left, y in corners if 0 < x - left < BOX and start <= y < end]
                    assert not crossed, path.stem
                longest = max(longest, y2 - y1)
    assert longest > GAP, "no line leads past a row"


@pytest.mark.parametrize(
    ("layer", "label"),
    [
        (Conv2d(32), "Conv 3×3 · 32"),
        (Conv1d(32), "Conv 3 · 32"),
        (MaxPool1d(3, 2), "Max pool 3 /2"),
        (Conv2d(8, 5, 2), "Conv 5×5 /2 · 8"),
        (Dense(64), "Dense · 64"),
        (MaxPool2d(), "Max pool 2×2"),
        (AvgPool2d(3, 1), "Average pool 3×3 /1"),
        (Dropout(0.25), "Dropout · 25%"),
        (Input((3, 32, 32)), "Input"),
        (BatchNorm(), "Batch norm"),
        (Conv2d(8, bias=False), "Conv 3×3 · 8"),
        (MaxPool2d(3, 1, 1), "Max pool 3×3 /1 +1"),
        (MaxPool2d(2, 1, pads=(0, 0, 1, 1)), "Max pool 2×2 /1 +0,0,1,1"),
        (MaxPool2d((2, 1), (2, 1)), "Max pool 2×1"),
        (AvgPool2d((3, 1), 2), "Average pool 3×1 /2"),
        (MaxPool2d(2, (2, 1), pads=(0, 1, 0, 0)), "Max pool 2×2 /2×1 +0,1,0,0"),
        (MaxPool2d(3, 1, 1, dilation=2), "Max pool 3×3 /1 +1 of every 2"),
        (MaxPool2d(2, dilation=(3, 1)), "Max pool 2×2 of every 3×1"),
        (Conv1d(8, 3, 2, pads=(0, 1)), "Conv 3 /2 +0,1 · 8"),
        (ReLU6(), "ReLU6"),
        (HardSwish(), "Hard swish"),
        (Zero(), "Zero"),
        (Zero(2), "Zero /2"),
    ],
)
def test_layers_in_a_few_words(layer, label):
    assert layer_label(layer) == label


@pytest.mark.parametrize("kind", LAYER_EXAMPLES)
def test_every_kind_of_layer_has_a_label(kind):
    for layer, _ in LAYER_EXAMPLES[kind]:
        assert layer_label(layer)[0].isupper()
        assert "_" not in layer_label(layer)


def test_details_omitted_from_a_label_are_in_the_title_of_the_box():
    layers = [
        Conv2d(4, bias=False),
        AvgPool2d(3, 1, 1, count_include_pad=True),
        MaxPool2d(3, 2, ceil_mode=True),
        Flatten(),
        Dense(3),
    ]
    nodes = [Node(i, layer, (i - 1,)) for i, layer in enumerate([*layers, Output()], 1)]
    svg = architecture_svg(Architecture((Node(0, Input((1, 4, 4))), *nodes)))
    titles = [one.text for one in ElementTree.fromstring(svg).iter(f"{SVG}title")]
    assert "node 1: Conv 3×3 · 4, no bias, output 4×4×4" in titles
    assert "node 2: Average pool 3×3 /1 +1, padding counted, output 4×4×4" in titles
    assert "node 3: Max pool 3×3 /2, incomplete windows at the end, output 4×2×2" in titles


def marks(svg: str) -> dict[str, str]:
    """The marks of boxes by the beginnings of their titles."""
    found = {}
    for group in ElementTree.fromstring(svg).iter(f"{SVG}g"):
        title = group.findtext(f"{SVG}title")
        mark = group.attrib["class"].split()[2:]
        assert title.endswith(f" ({mark[0]})" if mark else "")
        found[title.partition(":")[0]] = "".join(mark)
    return found


def test_layers_that_are_new_or_changed_against_the_parent_are_marked():
    parent = roots(DatasetSpec(
        input_shape=(1, 8, 8), classes=3, class_names=("a", "b", "c"),
        train_examples=100, test_examples=10, dtype="uint8",
    ), Bounds())[0]  # fmt: skip
    step, child = next(
        (step, child)
        for step, child in sample(parent, Bounds(), np.random.default_rng(0), 50)
        if len(child.nodes) > len(parent.nodes)
    )
    known = {node.id: node.layer for node in parent.nodes}
    expected = {
        f"node {node.id}": "new" if node.id not in known
        else "" if known[node.id] == node.layer else "changed"
        for node in child.nodes
    }  # fmt: skip
    assert "new" in expected.values(), step
    assert marks(architecture_svg(child, parent)) == expected
    wide = Architecture(tuple(
        replace(node, layer=Conv2d(48)) if isinstance(node.layer, Conv2d) else node
        for node in parent.nodes
    ))  # fmt: skip
    assert set(marks(architecture_svg(wide, parent)).values()) == {"", "changed"}
    assert set(marks(architecture_svg(parent, parent)).values()) == {""}
    assert set(marks(architecture_svg(parent)).values()) == {""}


def test_a_lineage_links_every_trial(watched):
    _, listed = watched()
    svg = lineage_svg(listed, SEARCH)
    links = [one.attrib["href"] for one in ElementTree.fromstring(svg).iter(f"{SVG}a")]
    assert sorted(links) == sorted(f"/trials/{trial.id}" for trial in listed)
    assert len([*ElementTree.fromstring(svg).iter(f"{SVG}path")]) == 1


def test_the_words_of_a_morphism_are_text(watched):
    _, listed = watched()
    words = "widen </title><script>alert('1 & \"2\"')</script>"
    step = MorphismOut(kind="widen", text=words, data={})
    svg = lineage_svg([one.model_copy(update={"morphisms": [step]}) for one in listed], SEARCH)
    assert "<script>" not in svg
    titles = [one.text for one in ElementTree.fromstring(svg).iter(f"{SVG}title")]
    assert titles == [f"trial {number}, waiting: {words}" for number in (0, 1)]


def test_the_origin_of_a_trial_without_morphisms_is_described(watched):
    _, listed = watched()
    titles = [
        one.text for one in ElementTree.fromstring(lineage_svg(listed, SEARCH)).iter(f"{SVG}title")
    ]
    assert titles == [
        "trial 0, waiting: a root",
        "trial 1, waiting: continues trial 0",
    ]


def test_better_trials_are_graded_higher(watched):
    _, listed = watched()
    values = [0.1, 0.9, None, 0.5, 0.9]
    shown = [
        listed[0].model_copy(update={"value": value, "number": number, "id": uuid4()})
        for number, value in enumerate(values)
    ]
    groups = ElementTree.fromstring(lineage_svg(shown, SEARCH)).iter(f"{SVG}g")
    assert [" ".join(one.attrib["class"].split()[2:]) for one in groups] == [
        "g1", "g5 best", "", "g2", "g5"
    ]  # fmt: skip


def test_a_value_is_written_as_its_task_type_says(watched):
    _, listed = watched()
    svg = lineage_svg([listed[0].model_copy(update={"value": 0.98421})], SEARCH)
    (value,) = [
        one.text
        for one in ElementTree.fromstring(svg).iter(f"{SVG}text")
        if one.attrib["class"] == "value"
    ]
    assert value == "98.42 %"


def test_a_long_lineage_is_drawn(watched):
    _, listed = watched()
    ids = [uuid4() for _ in range(3000)]
    shown = [
        listed[0].model_copy(
            update={"id": key, "number": n, "parent_id": ids[n - 1] if n else None}
        )
        for n, key in enumerate(ids)
    ]
    svg = ElementTree.fromstring(lineage_svg(shown, SEARCH))
    rightmost = max(float(one.attrib["cx"]) for one in svg.iter(f"{SVG}circle"))
    assert rightmost < float(svg.attrib["width"])


def test_a_final_fit_is_no_part_of_the_lineage(watched):
    _, listed = watched()
    final = listed[1].model_copy(update={"id": uuid4(), "kind": TrialKind.FINAL})
    assert lineage_svg([*listed, final], SEARCH) == lineage_svg(listed, SEARCH)
    assert lineage_svg([final], SEARCH) == ""


def test_children_stand_a_level_right_of_their_parent(watched):
    _, listed = watched()
    ids = [uuid4() for _ in range(4)]
    parents = [None, ids[0], ids[0], ids[1]]
    shown = [
        listed[0].model_copy(update={"id": ids[n], "number": n, "parent_id": parents[n]})
        for n in range(4)
    ]
    dots = [*ElementTree.fromstring(lineage_svg(shown, SEARCH)).iter(f"{SVG}circle")]
    x = [float(dot.attrib["cx"]) for dot in dots]
    y = [float(dot.attrib["cy"]) for dot in dots]
    assert x[1] == x[2] > x[0]
    assert x[3] - x[1] == x[1] - x[0]
    assert y[3] == y[1] < y[0] < y[2]


def test_an_empty_search_is_drawn_as_an_empty_picture():
    assert lineage_svg([], SEARCH) == ""
