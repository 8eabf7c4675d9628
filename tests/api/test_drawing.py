"""Drawings and figures: well-formed, with everything in them, and text as text."""

import json
from dataclasses import replace
from pathlib import Path
from uuid import uuid4
from xml.etree import ElementTree

import numpy as np
import pytest

from api import figures
from api.drawing import architecture_svg, layer_label, lineage_svg
from api.schemas import Best, EpochOut, MorphismOut
from api.store import searches, trials
from core.errors import UnknownKind
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
    Input,
    MaxPool1d,
    MaxPool2d,
    Output,
    ReLU6,
    Zero,
)
from core.morphisms import sample
from core.protocol.contracts import Bounds, Cost, DatasetSpec
from core.protocol.states import TrialKind
from tests.strategies import LAYER_EXAMPLES

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


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_every_connection_has_its_line(path):
    architecture = load(path)
    lines = ElementTree.fromstring(architecture_svg(architecture)).iter(f"{SVG}path")
    assert len([*lines]) == sum(len(node.inputs) for node in architecture.nodes)


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
        (ReLU6(), "ReLU6"),
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


def test_what_a_label_leaves_out_is_in_the_title_of_the_box():
    layers = [
        Conv2d(4, bias=False),
        AvgPool2d(3, 1, 1, count_include_pad=True),
        Flatten(),
        Dense(3),
    ]
    nodes = [Node(i, layer, (i - 1,)) for i, layer in enumerate([*layers, Output()], 1)]
    svg = architecture_svg(Architecture((Node(0, Input((1, 4, 4))), *nodes)))
    titles = [one.text for one in ElementTree.fromstring(svg).iter(f"{SVG}title")]
    assert "node 1: Conv 3×3 · 4, no bias, output 4×4×4" in titles
    assert "node 2: Average pool 3×3 /1 +1, padding counted, output 4×4×4" in titles


def marks(svg: str) -> dict[str, str]:
    """The marks of boxes by the beginnings of their titles."""
    found = {}
    for group in ElementTree.fromstring(svg).iter(f"{SVG}g"):
        title = group.findtext(f"{SVG}title")
        mark = group.attrib["class"].split()[2:]
        assert title.endswith(f" ({mark[0]})" if mark else "")
        found[title.partition(":")[0]] = "".join(mark)
    return found


def test_what_is_new_or_changed_against_the_parent_is_marked():
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


def test_the_words_of_a_morphism_are_text(watched):
    _, listed = watched()
    words = "widen </title><script>alert('1 & \"2\"')</script>"
    step = MorphismOut(kind="widen", text=words, data={})
    svg = lineage_svg([one.model_copy(update={"morphisms": [step]}) for one in listed])
    assert "<script>" not in svg
    titles = [one.text for one in ElementTree.fromstring(svg).iter(f"{SVG}title")]
    assert titles == [f"trial {number}, waiting: {words}" for number in (0, 1)]


def test_what_led_to_a_trial_without_morphisms_is_said(watched):
    _, listed = watched()
    titles = [one.text for one in ElementTree.fromstring(lineage_svg(listed)).iter(f"{SVG}title")]
    assert titles == ["trial 0, waiting: a start", "trial 1, waiting: continues trial 0"]


def test_better_trials_are_graded_higher(watched):
    _, listed = watched()
    values = [0.1, 0.9, None, 0.5, 0.9]
    told = [
        listed[0].model_copy(update={"value": value, "number": number, "id": uuid4()})
        for number, value in enumerate(values)
    ]
    groups = ElementTree.fromstring(lineage_svg(told)).iter(f"{SVG}g")
    assert [" ".join(one.attrib["class"].split()[2:]) for one in groups] == [
        "g1", "g5 best", "", "g2", "g3"
    ]  # fmt: skip


def test_a_long_lineage_is_drawn(watched):
    _, listed = watched()
    ids = [uuid4() for _ in range(3000)]
    told = [
        listed[0].model_copy(
            update={"id": key, "number": n, "parent_id": ids[n - 1] if n else None}
        )
        for n, key in enumerate(ids)
    ]
    svg = ElementTree.fromstring(lineage_svg(told))
    rightmost = max(float(one.attrib["cx"]) for one in svg.iter(f"{SVG}circle"))
    assert rightmost < float(svg.attrib["width"])


def test_a_final_fit_is_no_part_of_the_lineage(watched):
    _, listed = watched()
    final = listed[1].model_copy(update={"id": uuid4(), "kind": TrialKind.FINAL})
    assert lineage_svg([*listed, final]) == lineage_svg(listed)
    assert lineage_svg([final]) == ""


def test_children_stand_a_level_right_of_their_parent(watched):
    _, listed = watched()
    ids = [uuid4() for _ in range(4)]
    parents = [None, ids[0], ids[0], ids[1]]
    told = [
        listed[0].model_copy(update={"id": ids[n], "number": n, "parent_id": parents[n]})
        for n in range(4)
    ]
    dots = [*ElementTree.fromstring(lineage_svg(told)).iter(f"{SVG}circle")]
    x = [float(dot.attrib["cx"]) for dot in dots]
    y = [float(dot.attrib["cy"]) for dot in dots]
    assert x[1] == x[2] > x[0]
    assert x[3] - x[1] == x[1] - x[0]
    assert y[3] == y[1] < y[0] < y[2]


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


def test_the_front_is_what_no_trial_beats_in_value_and_cost(watched):
    search, listed = watched()
    facts = [
        (0.5, 100, 0.002),
        (0.9, 400, 0.001),
        (0.4, 200, 0.003),
        (None, 50, 0.001),
        (0.8, 300, None),
    ]
    told = [
        listed[0].model_copy(
            update={"value": v, "parameters": p, "latency": t, "number": n, "id": uuid4()}
        )
        for n, (v, p, t) in enumerate(facts)
    ]
    for cost, expected, others in (
        (Cost.PARAMETERS, ([100, 300, 400], ["0", "4", "1"]), ["2"]),
        (Cost.LATENCY, ([1.0], ["1"]), ["0", "2"]),  # milliseconds
    ):
        asked = search.model_copy(update={"cost": cost})
        lines = {line["name"]: line for line in figures.build("front", asked, told, [])["data"]}
        assert (list(lines["front"]["x"]), list(lines["front"]["text"])) == expected
        assert list(lines["other trials"]["text"]) == others
        assert cost.value in json.dumps(figures.build("front", asked, told, [])["layout"])


def test_an_unknown_figure(watched):
    search, listed = watched()
    with pytest.raises(UnknownKind, match="best-so-far"):
        figures.build("pie", search, listed, [])


def test_the_band_is_the_standard_error_around_the_best(watched):
    search, listed = watched()
    told = [
        listed[0].model_copy(update={"value": value, "value_std": std, "number": n, "id": uuid4()})
        for n, (value, std) in enumerate([(0.5, 0.1), (0.75, None), (0.96, 0.0625)])
    ]
    (band,) = [
        line
        for line in figures.build("best-so-far", search, told, [])["data"]
        if line.get("fill") == "toself"
    ]
    assert band["x"] == [0, 1, 1, 2, 2, 2, 2, 1, 1, 0]
    assert band["y"] == [0.6, 0.6, 0.75, 0.75, 1.0, 0.8975, 0.75, 0.75, 0.4, 0.4]


def epoch(trial, number: int, attempt: int = 1, **values) -> EpochOut:
    facts = {
        "train_loss": 1.0 / number, "validation_loss": 2.0 / number,
        "validation_metric": 1 - 1 / number, "learning_rate": 0.1, "seconds": 10.0 * number,
    }  # fmt: skip
    return EpochOut(trial_id=trial.id, attempt=attempt, epoch=number, **(facts | values))


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
    told = [
        listed[0].model_copy(update={"value": n / 100 or None, "number": n, "id": uuid4()})
        for n in range(40)
    ]
    best = Best(trial_id=told[-1].id, number=39, value=0.39, value_std=None, parameters=1)
    search = search.model_copy(update={"best": best})
    curves = figures.build("learning-curves", search, told, [])["data"]
    assert [one["name"] for one in curves] == [f"trial {n}" for n in range(16, 40)]
    assert [one["name"] for one in curves if one["opacity"] == 1] == ["trial 39"]


def test_the_curves_of_one_trial(watched):
    _, (trial, _) = watched()
    curves = figures.trial_curves(trial, [epoch(trial, 1), epoch(trial, 2)], "accuracy")["data"]
    assert {one["name"]: (one["x"], one["y"], one["yaxis"]) for one in curves} == {
        "training loss": ([1, 2], [1.0, 0.5], "y"),
        "validation loss": ([1, 2], [2.0, 1.0], "y"),
        "validation accuracy": ([1, 2], [0.0, 0.5], "y2"),
    }


def test_the_curves_of_a_final_fit_have_no_validation(watched):
    _, (trial, _) = watched()
    unseen = epoch(trial, 1, validation_loss=None, validation_metric=None)
    curves = figures.trial_curves(trial, [unseen], "accuracy", "dark")["data"]
    assert [one["name"] for one in curves] == ["training loss"]
    assert figures.trial_curves(trial, [], "accuracy")["data"] == []
