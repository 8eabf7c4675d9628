"""Drawings in SVG, laid out here: an architecture as a graph, a search's lineage as a tree.

Colours and fonts come from the page's style sheet through classes; all text is escaped.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, count
from math import ceil
from uuid import UUID

from markupsafe import Markup, escape

from api.pictures.plots import goodness
from api.schemas.searches import SearchOut
from api.schemas.trials import TrialOut
from api.store.trials import LineageTrial
from core.graph.architecture import Architecture
from core.graph.node import Node
from core.layers import LAYERS, AbstractLayer, layer_to_json, optional_fields
from core.protocol.states import TrialKind, TrialStatus
from core.search.lineage import continuing
from core.tasks.metric import in_words

Shown = TrialOut | LineageTrial

_BOX = (188, 30)  # width and height of a layer
_GAP = (26, 16)
_MARGIN = 12
_LEAF, _LEVEL = 34, 124  # of the lineage tree: height of a leaf, width of a level
_VALUE = 76  # from the middle of a dot to the end of its value
_DOT = 13

_SHORT = {
    "conv1d": "Conv",
    "conv2d": "Conv",
    "depthwise_conv1d": "Depthwise",
    "depthwise_conv2d": "Depthwise",
    "dense": "Dense",
    "batch_norm": "Batch norm",
    "relu": "ReLU",
    "relu6": "ReLU6",
    "silu": "SiLU",
    "gelu": "GELU",
    "sigmoid": "Sigmoid",
    "hard_sigmoid": "Hard sigmoid",
    "hard_swish": "Hard swish",
    "tanh": "Tanh",
    "zero": "Zero",
    "gate": "Gate",
    "max_pool1d": "Max pool",
    "max_pool2d": "Max pool",
    "avg_pool1d": "Average pool",
    "avg_pool2d": "Average pool",
    "global_avg_pool1d": "Global average pool",
    "global_avg_pool2d": "Global average pool",
    "flatten": "Flatten",
    "dropout": "Dropout",
    "add": "Add",
    "concat": "Concat",
    "scale": "Scale",
    "input": "Input",
    "output": "Output",
}

#: Fields that only the title of a box tells, where they differ from their default.
_DETAILS = {
    "bias": "no bias",
    "count_include_pad": "padding counted",
    "ceil_mode": "incomplete windows at the end",
}


@dataclass(frozen=True, slots=True)
class _Corner:
    """The upper left corner of a node's box."""

    x: float
    y: float

    @property
    def top(self) -> tuple[float, float]:
        return self.x + _BOX[0] / 2, self.y

    @property
    def bottom(self) -> tuple[float, float]:
        return self.x + _BOX[0] / 2, self.y + _BOX[1]


def layer_label(layer: AbstractLayer) -> str:
    """A layer in a few words: "Conv 3×3 · 32", with stride 2 "Conv 3×3 /2 · 32", "Max pool 2".

    A stride that differs between the axes has both: "Max pool 3×3 /2×1". Padding follows a plus:
    "Max pool 3×3 /1 +1"; where it differs from end to end, that before each axis comes first, then
    that after: "Conv 3×3 /2 +0,0,1,1 · 32". Windows with dilation 2: "Max pool 3×3 of every 2".
    """
    data = {name: value for name, value in layer_to_json(layer).items() if name not in _DETAILS}
    kind = data.pop("kind")
    name = _SHORT.get(kind, kind.replace("_", " ").capitalize())
    usual_stride = data.get("size", 1)
    for field in ("kernel", "size"):
        if field in data:
            side = data.pop(field)
            axes = 1 if kind.endswith("1d") else 2
            name += f" {_times(side if isinstance(side, list) else [side] * axes)}"
    if (stride := data.pop("stride", usual_stride)) != usual_stride:
        name += f" /{_times(stride if isinstance(stride, list) else [stride])}"
    if padding := data.pop("padding", 0):
        name += f" +{padding}"
    if pads := data.pop("pads", []):
        name += f" +{','.join(map(str, pads))}"
    if dilation := data.pop("dilation", 0):
        name += f" of every {_times(dilation if isinstance(dilation, list) else [dilation])}"
    rest = [str(value) if name != "rate" else f"{value:.0%}" for name, value in data.items()]
    return " · ".join([name, *(text for text in rest if not text.startswith("["))])


def _times(lengths: Sequence[int]) -> str:
    return "×".join(map(str, lengths))


def architecture_svg(architecture: Architecture, parent: Architecture | None = None) -> Markup:
    """The graph from input to output; what is new or changed against the parent is marked."""
    corners = _layered(architecture)
    width = (
        max(corner.x for corner in corners.values()) + _BOX[0] + _MARGIN + _skip_room(architecture)
    )
    height = max(corner.y for corner in corners.values()) + _BOX[1] + _MARGIN
    parts: list[Markup] = []
    for node in architecture.nodes:
        parts.extend(_edge(corners, source, node.id) for source in node.inputs)
    for node in architecture.nodes:
        parts.append(_box(architecture, node, corners[node.id], _change(node, parent)))
    label = f"{len(architecture.nodes)} layers, {architecture.parameters:,} parameters"
    return _svg("architecture", width, height, label, parts)


def _layered(architecture: Architecture) -> dict[int, _Corner]:
    """The corners of the boxes: rows by depth, the longest path in the first column."""
    depths: dict[int, int] = {}
    for node in architecture.nodes:
        depths[node.id] = max((depths[source] + 1 for source in node.inputs), default=0)
    columns = _columns(architecture, depths)
    return {
        node.id: _Corner(
            _MARGIN + columns[node.id] * (_BOX[0] + _column_gap(architecture)),
            _MARGIN + depths[node.id] * (_BOX[1] + _GAP[1]),
        )
        for node in architecture.nodes
    }


def _columns(architecture: Architecture, depths: Mapping[int, int]) -> dict[int, int]:
    """The column of each node: that of its input where it can be, else the first free one.

    A column is free where neither a box nor a line from or to the first column is in its rows.
    """
    main = _longest_path(architecture, depths)
    columns: dict[int, int] = {}
    used: defaultdict[int, set[int]] = defaultdict(set)
    for node in architecture.nodes:
        rows = set(_rows_of_lines(architecture, node, depths, main))
        before = [columns[source] for source in node.inputs if columns[source]]
        free = (c for c in chain(before, count(1)) if not used[c] & rows)
        columns[node.id] = 0 if node.id in main else next(free)
        used[columns[node.id]] |= rows
    return columns


def _rows_of_lines(
    architecture: Architecture, node: Node, depths: Mapping[int, int], main: set[int]
) -> range:
    """The rows of a box and of its lines from and to the first column."""
    own = depths[node.id]
    sources = (depths[source] + 1 for source in node.inputs if source in main)
    targets = (depths[reader] for reader in architecture.readers(node.id) if reader in main)
    return range(min(sources, default=own), max([own + 1, *targets]))


def _longest_path(architecture: Architecture, depths: Mapping[int, int]) -> set[int]:
    node = architecture.nodes[-1]
    path = {node.id}
    while node.inputs:
        node = architecture.node(max(node.inputs, key=lambda source: depths[source]))
        path.add(node.id)
    return path


def _skip_room(architecture: Architecture) -> int:
    """Space at the right for skips that pass several rows."""
    return 60 if any(len(node.inputs) > 1 for node in architecture.nodes) else 0


def _column_gap(architecture: Architecture) -> int:
    """Space between two columns, in which the skips of the left one are seen."""
    return max(_GAP[0], _skip_room(architecture))


def _edge(corners: Mapping[int, _Corner], source: int, target: int) -> Markup:
    """A line to the next row, an arc around the rows between, or a line between two columns.

    That one turns before its target, or behind its source where it leads to the right:
    so it crosses no box of the first column.
    """
    (x1, y1), (x2, y2) = corners[source].bottom, corners[target].top
    rows = (y2 - y1) / (_BOX[1] + _GAP[1])
    if rows < 1 or x1 != x2:
        top, bottom = (y1, y1 + _GAP[1]) if x1 < x2 else (y2 - _GAP[1], y2)
        middle = (top + bottom) / 2
        curve = f"C{x1:.0f},{middle:.0f} {x2:.0f},{middle:.0f} {x2:.0f},{bottom:.0f}"
        path = f"M{x1:.0f},{y1:.0f} V{top:.0f} {curve} V{y2:.0f}"
        return Markup('<path class="edge" d="{}"/>').format(path)
    right = corners[source].x + _BOX[0]
    arc = right + min(56, 14 + 5 * ceil(rows))
    y1, y2 = corners[source].y + _BOX[1] / 2, corners[target].y + _BOX[1] / 2
    path = f"M{right:.0f},{y1:.0f} C{arc:.0f},{y1:.0f} {arc:.0f},{y2:.0f} {right:.0f},{y2:.0f}"
    return Markup('<path class="edge skip" d="{}"/>').format(path)


def _change(node: Node, parent: Architecture | None) -> str:
    """ "new", "changed" or nothing."""
    if parent is None:
        return ""
    before = {old.id: old.layer for old in parent.nodes}
    if node.id not in before:
        return "new"
    return "" if before[node.id] == node.layer else "changed"


def _box(architecture: Architecture, node: Node, corner: _Corner, change: str) -> Markup:
    kind = LAYERS.kind_of(node.layer)
    shape = "×".join(str(n) for n in architecture.shapes[node.id])
    details = [_DETAILS[name] for name in optional_fields(node.layer) if name in _DETAILS]
    title = ", ".join([f"node {node.id}: {layer_label(node.layer)}", *details, f"output {shape}"])
    return Markup(
        '<g class="layer {kind} {change}"><title>{title}</title>'
        '<rect x="{x}" y="{y}" width="{w}" height="{h}" rx="6"/>'
        '<text x="{tx}" y="{ty}">{label}</text>'
        '<text class="shape" x="{sx}" y="{ty}">{shape}</text></g>'
    ).format(
        kind=kind.replace("_", "-"),
        change=change,
        title=title + (f" ({change})" if change else ""),
        x=f"{corner.x:.0f}",
        y=f"{corner.y:.0f}",
        w=_BOX[0],
        h=_BOX[1],
        tx=f"{corner.x + 10:.0f}",
        ty=f"{corner.y + _BOX[1] / 2 + 4:.0f}",
        sx=f"{corner.x + _BOX[0] - 8:.0f}",
        label=layer_label(node.layer),
        shape=shape,
    )


def lineage_svg(trials: Sequence[Shown], search: SearchOut, given: bool = False) -> Markup:
    """The tree of trials from parent to child, better ones in stronger colours, with links.

    `search` is theirs: it says how people read their values, and which are better; `given`: the
    search starts from a network of the user's.
    """
    shown = [trial for trial in trials if trial.kind is TrialKind.SEARCH]
    if not shown:
        return Markup("")
    children: defaultdict[UUID | None, list[Shown]] = defaultdict(list)
    known = {trial.id for trial in shown}
    for trial in shown:
        children[trial.parent_id if trial.parent_id in known else None].append(trial)
    centres = _tree(children)
    width = max(x for x, _ in centres.values()) + 90
    height = max(y for _, y in centres.values()) + _LEAF
    grades = _grades(shown, search)
    parts = [
        _branch(centres[trial.parent_id], centres[trial.id])
        for trial in shown
        if trial.parent_id in known
    ]
    parts += [
        _dot(trial, search, centres[trial.id], grades.get(trial.id, ""), given) for trial in shown
    ]
    return _svg("lineage", width, height, f"lineage of {len(shown)} trials", parts)


def _tree(
    children: Mapping[UUID | None, list[Shown]],
) -> dict[UUID | None, tuple[float, float]]:
    """The centres of the dots: levels from left to right, parents midway between their children."""
    centres: dict[UUID | None, tuple[float, float]] = {}
    next_leaf = 0
    stack: list[tuple[Shown, int, bool]] = [
        (root, 0, False) for root in reversed(children.get(None, []))
    ]
    while stack:
        trial, level, visited = stack.pop()
        below = children.get(trial.id, [])
        x = _MARGIN + _DOT + level * _LEVEL
        if not below:
            centres[trial.id] = (x, _MARGIN + _DOT + next_leaf * _LEAF)
            next_leaf += 1
        elif visited:
            rows = [centres[child.id][1] for child in below]
            centres[trial.id] = (x, (rows[0] + rows[-1]) / 2)
        else:
            stack.append((trial, level, True))
            stack.extend((child, level + 1, False) for child in reversed(below))
    return centres


def _grades(trials: Sequence[Shown], search: SearchOut) -> dict[UUID, str]:
    """The fifth of all values that a trial's is in, from "g1" (lowest) to "g5"; also "best"."""
    valued = sorted(
        (goodness(t.value, search), -t.number, t.id) for t in trials if t.value is not None
    )
    values = [value for value, _, _ in valued]
    grades = {  # equal values have the highest rank among them
        key: f"g{1 + 5 * (bisect_right(values, value) - 1) // len(values)}"
        for value, _, key in valued
    }
    grades |= {key: "g5" for value, _, key in valued if value == values[-1]}
    if valued:
        grades[valued[-1][2]] = "g5 best"
    return grades


def _branch(parent: tuple[float, float], child: tuple[float, float]) -> Markup:
    (x1, y1), (x2, y2) = (
        (parent[0] + _VALUE, parent[1]),
        child,
    )  # from behind the parent's value
    middle = (x1 + x2) / 2
    path = f"M{x1:.0f},{y1:.0f} C{middle:.0f},{y1:.0f} {middle:.0f},{y2:.0f} {x2:.0f},{y2:.0f}"
    return Markup(f'<path class="edge" d="{path}"/>')


def _dot(
    trial: Shown, search: SearchOut, centre: tuple[float, float], grade: str, given: bool
) -> Markup:
    """A trial of the lineage: a thousand are drawn, so that only its words are escaped."""
    x, y = centre
    value = "" if trial.value is None else in_words(trial.value, in_percent=search.in_percent)
    value = value or ("…" if trial.status is TrialStatus.RUNNING else "")
    status, steps = trial.status.value, ", then ".join(_steps(trial)) or _beginning(trial, given)
    title = escape(f"trial {trial.number}, {status}: {steps}")
    return Markup(
        f'<a href="/trials/{trial.id}"><g class="trial {status} {grade}"><title>{title}</title>'
        f'<circle cx="{x:.0f}" cy="{y:.0f}" r="{_DOT}"/>'
        f'<text class="number" x="{x:.0f}" y="{y + 4:.0f}">{trial.number}</text>'
        f'<text class="value" x="{x + _DOT + 5:.0f}" y="{y + 4:.0f}">{value}</text></g></a>'
    )


def _steps(trial: Shown) -> Sequence[str]:
    if isinstance(trial, LineageTrial):
        return trial.steps
    return [step.text for step in trial.morphisms]


def _beginning(trial: Shown, given: bool) -> str:
    """The origin of a trial without morphisms, in words."""
    if trial.parent_number is None:
        return "the given network" if given else "a root"
    return continuing(trial.parent_number, trial.changes)


def _svg(kind: str, width: float, height: float, label: str, parts: Sequence[Markup]) -> Markup:
    body = Markup("").join(parts)
    role = "group" if kind == "lineage" else "img"  # an image has no links in it
    return Markup(
        '<svg class="drawing {kind}" role="{role}" aria-label="{label}" '
        'width="{w:.0f}" height="{h:.0f}" viewBox="0 0 {w:.0f} {h:.0f}" '
        'xmlns="http://www.w3.org/2000/svg">{body}</svg>'
    ).format(kind=kind, role=role, label=escape(label), w=width, h=height, body=body)
