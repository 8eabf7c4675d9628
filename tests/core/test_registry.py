"""Registries: open sets of kinds."""

import pytest

from core.errors import InvalidInput, NetmorphError, UnknownKind
from core.registry import Registry


class Red:
    """A toy kind."""


class Blue:
    """Another one."""


@pytest.fixture
def colours() -> Registry[object]:
    registry: Registry[object] = Registry("colour")
    assert registry.register("red")(Red) is Red
    registry.register("blue")(Blue)
    return registry


def test_a_registry_is_a_mapping_in_alphabetical_order(colours):
    assert list(colours) == ["blue", "red"]
    assert len(colours) == 2
    assert colours["red"] is Red
    assert "red" in colours
    assert "green" not in colours
    assert colours.kind_of(Blue()) == "blue"


def test_an_unknown_kind_is_refused_with_the_known_ones(colours):
    with pytest.raises(UnknownKind, match="unknown colour 'green'; known are: blue, red"):
        colours["green"]
    with pytest.raises(KeyError):
        colours.kind_of(3)


def test_a_kind_is_registered_once(colours):
    with pytest.raises(ValueError, match="colour kind 'red' is registered twice"):
        colours.register("red")(Blue)
    assert colours["red"] is Red


def test_an_unknown_kind_is_invalid_input():
    assert issubclass(UnknownKind, InvalidInput)
    assert issubclass(InvalidInput, NetmorphError)
