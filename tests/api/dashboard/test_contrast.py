"""Contrast of the dashboard's colours, as WCAG 2.2 measures it, in both themes."""

import re
from pathlib import Path

import pytest

import api.dashboard
from api.pictures.plots import THEMES

SHEET = Path(api.dashboard.__file__).parent / "static" / "netmorph.css"
TEXT, SHAPE = 4.5, 3.0  # criteria 1.4.3 and 1.4.11, level AA
SURFACES = ("card", "page", "accent-soft")
WORDS = ("text", "sub", "accent", "good", "warn", "bad", "info", "violet")
PAIRS = [
    *((word, surface, TEXT) for word in WORDS for surface in SURFACES),
    *(("edge", surface, SHAPE) for surface in ("card", "page")),  # of inputs, buttons, layers
    *(("on-accent", surface, TEXT) for surface in ("accent", "g4", "g5")),
    *(("text", shade, TEXT) for shade in ("g1", "g2", "g3")),  # numbers of trials in the lineage
    ("accent", "line", SHAPE),  # how much of a budget is spent
]


def colours(theme: str) -> dict[str, str]:
    """The variables of the style sheet by name; the second block of them is that of dark pages."""
    blocks = re.findall(r":root \{(.*?)\}", SHEET.read_text(), re.DOTALL)
    return dict(re.findall(r"--([a-z0-9-]+): (#[0-9a-f]{6});", blocks[theme == "dark"]))


def luminance(colour: str) -> float:
    """Relative luminance of "#rrggbb" (WCAG 2.2, definitions)."""
    red, green, blue = (linear(int(colour[start : start + 2], 16) / 255) for start in (1, 3, 5))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def linear(part: float) -> float:
    """The intensity of a part of a colour in sRGB."""
    return part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4


def contrast(one: str, other: str) -> float:
    """From 1 (equal) to 21 (black on white)."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_the_measure_agrees_with_the_standard() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#767676", "#ffffff") == pytest.approx(4.54, abs=0.01)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_colours_of_pages_can_be_told_apart(theme) -> None:
    known = colours(theme)
    weak = {
        f"{front} on {back}": round(contrast(known[front], known[back]), 2)
        for front, back, least in PAIRS
        if contrast(known[front], known[back]) < least
    }
    assert weak == {}


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_colours_of_figures_can_be_told_apart_from_their_card(theme) -> None:
    known, figure = colours(theme), THEMES[theme]
    assert (figure.text, figure.accent, figure.bad) == tuple(
        known[name] for name in ("text", "accent", "bad")
    )
    series = ("accent", "bad", "info", "warn", "violet")  # the swatches of compared searches
    assert figure.series == tuple(known[name] for name in series)
    assert contrast(figure.text, known["card"]) >= TEXT
    for colour in (figure.accent, figure.muted, figure.bad):
        assert contrast(colour, known["card"]) >= SHAPE
