"""Charts of the service as SVG pictures, for pages that load nothing.

The service answers with figures for Plotly; of these, the points, lines and bands of `scatter`
traces are drawn, on linear or logarithmic axes.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from math import ceil, floor, log10
from typing import Any

from markupsafe import Markup

_SIZE = (720, 300)  # pixels of the picture
_LEFT, _RIGHT, _TOP, _BOTTOM = 74, 706, 34, 252  # edges of the plotted area
_RADIUS = 3.5
_TICKS = 5  # about this many on an axis
_GREY = "#8a949e"
_COLOUR = re.compile(r"#[0-9a-fA-F]{3,8}|rgba?\([0-9., ]+\)|[a-z]+")

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Axis:
    """The positions of values along one side of the picture."""

    low: float  # of the values; of their logarithms if the axis is logarithmic
    high: float
    start: float  # pixels of `low`
    end: float
    is_log: bool
    tick_format: str
    least_step: float = 0.0  # between ticks

    def at(self, value: float) -> float:
        """The pixel of a value."""
        scaled = log10(value) if self.is_log else value
        share = (scaled - self.low) / (self.high - self.low)
        return self.start + share * (self.end - self.start)

    def ticks(self) -> list[float]:
        """Round values on the axis."""
        if self.is_log:
            powers = [10.0**power for power in range(floor(self.low), ceil(self.high) + 1)]
            steps = (1,) if self.high - self.low > 2 else (1, 2, 5)
            return self._within(step * power for power in powers for step in steps)
        raw = (self.high - self.low) / _TICKS
        power = 10.0 ** floor(log10(raw))
        step = power * next((factor for factor in (1, 2, 5) if power * factor >= raw), 10)
        step = max(step, self.least_step)
        indices = range(ceil(self.low / step), floor(self.high / step) + 1)
        return self._within(step * index for index in indices)

    def text(self, value: float) -> str:
        """A value as its axis writes it."""
        if self.tick_format.endswith("%"):
            return f"{100 * value:.4g} %"
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"

    def _within(self, values: Iterable[float]) -> list[float]:
        low, high = min(self.start, self.end), max(self.start, self.end)
        return [value for value in values if low - 0.5 <= self.at(value) <= high + 0.5]


def svg(figure: dict[str, Any], label: str) -> Markup:
    """The figure as a picture; `label` says what it shows. Empty if it has no points."""
    traces = [(trace, _points(trace)) for trace in figure["data"]]
    traces = [(trace, points) for trace, points in traces if points]
    if not traces:
        return Markup("")
    every = [point for _, points in traces for point in points]
    layout = figure["layout"]
    x = _axis([point[0] for point in every], layout["xaxis"], _LEFT, _RIGHT)
    y = _axis([point[1] for point in every], layout["yaxis"], _BOTTOM, _TOP)
    parts = [*_grid(x, y), *_titles(layout)]
    if layout.get("showlegend", True):
        parts += _legend(trace for trace, _ in traces)
    for trace, points in traces:
        parts += _drawn(trace, [(x.at(a), y.at(b)) for a, b in points], points, x, y)
    return Markup(
        '<svg role="img" aria-label="{label}" viewBox="0 0 {w} {h}" '
        'xmlns="http://www.w3.org/2000/svg">{body}</svg>'
    ).format(label=label, w=_SIZE[0], h=_SIZE[1], body=Markup("").join(parts))


def _points(trace: dict[str, Any]) -> list[Point]:
    pairs = zip(trace.get("x") or (), trace.get("y") or (), strict=False)
    return [(float(x), float(y)) for x, y in pairs if x is not None and y is not None]


def _axis(values: Sequence[float], layout: dict[str, Any], start: float, end: float) -> Axis:
    is_log = layout.get("type") == "log" and min(values) > 0
    scaled = [log10(value) for value in values] if is_log else values
    low, high = min(scaled), max(scaled)
    room = 0.04 * (high - low) or max(abs(high) / 20, 1e-9)
    tick_format = str(layout.get("tickformat", ""))
    is_whole = all(value.is_integer() for value in values)
    least_step = 1.0 if is_whole else 0.0
    return Axis(low - room, high + room, start, end, is_log, tick_format, least_step)


def _grid(x: Axis, y: Axis) -> list[Markup]:
    line = Markup('<path class="grid" d="M{:.1f},{:.1f}L{:.1f},{:.1f}"/>')
    text = Markup('<text x="{:.1f}" y="{:.1f}" text-anchor="{}">{}</text>')
    parts = []
    for value in y.ticks():
        parts.append(line.format(_LEFT, y.at(value), _RIGHT, y.at(value)))
        parts.append(text.format(_LEFT - 8, y.at(value) + 4, "end", y.text(value)))
    for value in x.ticks():
        parts.append(line.format(x.at(value), _TOP, x.at(value), _BOTTOM))
        parts.append(text.format(x.at(value), _BOTTOM + 17, "middle", x.text(value)))
    return parts


def _titles(layout: dict[str, Any]) -> list[Markup]:
    middle, height = (_LEFT + _RIGHT) / 2, (_TOP + _BOTTOM) / 2
    x, y = (layout[axis].get("title", {}).get("text", "") for axis in ("xaxis", "yaxis"))
    return [
        Markup('<text x="{}" y="{}" text-anchor="middle">{}</text>').format(middle, 290, x),
        Markup(
            '<text x="14" y="{y}" text-anchor="middle" transform="rotate(-90 14 {y})">{t}</text>'
        ).format(y=height, t=y),
    ]


def _legend(traces: Iterable[dict[str, Any]]) -> list[Markup]:
    square = '<rect x="{}" y="9" width="12" height="12" fill="{}"/>'
    entry = Markup(square + '<text x="{}" y="20">{}</text>')
    parts, x = [], float(_LEFT)
    for trace in traces:
        name = str(trace.get("name", ""))
        parts.append(entry.format(x, _colour(trace), x + 17, name))
        x += 40 + 7 * len(name)
    return parts


def _drawn(
    trace: dict[str, Any], pixels: list[Point], points: list[Point], x: Axis, y: Axis
) -> list[Markup]:
    """The band, line and points of one trace."""
    parts = []
    mode = str(trace.get("mode", "lines"))
    colour = _colour(trace)
    if trace.get("fill") == "toself":
        return [Markup('<path d="{}Z" fill="{}"/>').format(_path(pixels, is_stepped=False), colour)]
    if "lines" in mode:
        is_stepped = trace.get("line", {}).get("shape") == "hv"
        path = _path(pixels, is_stepped=is_stepped)
        line = '<path d="{}" fill="none" stroke="{}" stroke-width="2"><title>{}</title></path>'
        parts.append(Markup(line).format(path, colour, trace.get("name", "")))
    if "markers" in mode:
        dot = Markup('<circle cx="{:.1f}" cy="{:.1f}" r="{}" fill="{}"><title>{}</title></circle>')
        for (a, b), (left, top) in zip(points, pixels, strict=True):
            parts.append(dot.format(left, top, _RADIUS, colour, f"{x.text(a)}: {y.text(b)}"))
    return parts


def _path(pixels: Sequence[Point], *, is_stepped: bool) -> str:
    (left, top), *rest = pixels
    step: Callable[[float, float], str] = (
        (lambda x, y: f"H{x:.1f}V{y:.1f}") if is_stepped else (lambda x, y: f"L{x:.1f},{y:.1f}")
    )
    return f"M{left:.1f},{top:.1f}" + "".join(step(x, y) for x, y in rest)


def _colour(trace: dict[str, Any]) -> str:
    """The colour of a trace, if it is one."""
    found = (
        trace.get("fillcolor")
        or trace.get("line", {}).get("color")
        or trace.get("marker", {}).get("color")
    )
    return found if isinstance(found, str) and _COLOUR.fullmatch(found) else _GREY
