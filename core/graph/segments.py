"""The channel axis of every tensor as an ordered list of width variables.

A convolution or dense layer makes one variable. Elementwise layers and pools copy their input's
list, an addition unifies the lists of its inputs, a concatenation joins them, and flattening gives
each channel height × width features. Widening a variable lengthens it wherever it occurs, so that
all layers still fit. A variable that must not change (of the data or the classes) is frozen.
Compare Jin, Song & Hu 2019, arXiv:1806.10282, appendix B, which does not track positions.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod

from core.errors import InvalidArchitecture
from core.layers import Channels
from core.layers.abstract import AbstractLayer, Shape


@dataclass(frozen=True, slots=True)
class Segment:
    """A run of `width` channels that can only grow or shrink together."""

    variable: int  # segments with equal variables always have equal widths
    width: int
    repeat: int = 1  # features per channel: height × width after flattening
    frozen: bool = False

    @property
    def length(self) -> int:
        """The number of entries of the axis in the run."""
        return self.width * self.repeat


_Run = tuple[int, int]  # (variable, repeat)


class _Variables:
    """Width variables under unification; a variable may be replaced by a list of others."""

    def __init__(self) -> None:
        self._widths: list[int] = []
        self._frozen: list[bool] = []
        self._becomes: dict[int, tuple[int, ...]] = {}

    def new(self, width: int, frozen: bool = False) -> int:
        """Make a variable and return it."""
        self._widths.append(width)
        self._frozen.append(frozen)
        return len(self._widths) - 1

    def resolve(self, runs: Sequence[_Run]) -> list[_Run]:
        """The runs with every replaced variable expanded."""
        if not self._becomes:
            return list(runs)
        resolved: list[_Run] = []
        stack = list(reversed(runs))
        while stack:
            variable, repeat = stack.pop()
            parts = self._becomes.get(variable)
            if parts is None:
                resolved.append((variable, repeat))
            else:
                stack.extend((part, repeat) for part in reversed(parts))
        return resolved

    def freeze(self, runs: Sequence[_Run]) -> None:
        """Freeze the widths of all runs."""
        for variable, _ in self.resolve(runs):
            self._frozen[variable] = True

    def unify(self, first: Sequence[_Run], second: Sequence[_Run]) -> None:
        """Make two lists of equal total length the same list."""
        if len({repeat for _, repeat in (*first, *second)}) > 1:  # flattened with plain features
            self.freeze(first)
            self.freeze(second)
            return
        position = 0
        while True:
            a, b = self.resolve(first), self.resolve(second)
            while position < len(a) and a[position] == b[position]:
                position += 1
            if position == len(a):
                return
            self._match(a[position][0], b[position][0])

    def _match(self, a: int, b: int) -> None:
        """Merge two variables of equal width, else split the wider one at the other's width."""
        if self._widths[a] == self._widths[b]:
            self._becomes[a] = (b,)
            self._frozen[b] |= self._frozen[a]
            return
        narrow, wide = sorted((a, b), key=lambda variable: self._widths[variable])
        rest = self._widths[wide] - self._widths[narrow]
        frozen = self._frozen[wide]
        self._becomes[wide] = (self.new(self._widths[narrow], frozen), self.new(rest, frozen))

    def segment(self, run: _Run) -> Segment:
        """A resolved run as a segment."""
        variable, repeat = run
        return Segment(variable, self._widths[variable], repeat, self._frozen[variable])


def infer_segments(
    layers: Sequence[tuple[int, AbstractLayer, tuple[int, ...]]],  # (id, layer, inputs)
    shapes: Mapping[int, Shape],
) -> dict[int, tuple[Segment, ...]]:
    """The segments along the channel axis of each node, by id.

    `layers` is in topological order and ends with the output, whose segments are frozen.
    Raises InvalidArchitecture for a layer of an unknown `Channels`.
    """
    variables = _Variables()
    runs: dict[int, list[_Run]] = {}
    for key, layer, inputs in layers:
        lists = [runs[source] for source in inputs]
        match layer.channels:
            case Channels.GIVEN | Channels.OWN:
                frozen = layer.channels is Channels.GIVEN
                runs[key] = [(variables.new(shapes[key][0], frozen), 1)]
            case Channels.SAME:
                runs[key] = lists[0]
            case Channels.UNIFIED:
                for other in lists[1:]:
                    variables.unify(lists[0], other)
                runs[key] = lists[0]
            case Channels.JOINED:
                runs[key] = [run for runs_of_input in lists for run in runs_of_input]
            case Channels.FLATTENED:
                pixels = prod(shapes[inputs[0]][1:])
                runs[key] = [(variable, repeat * pixels) for variable, repeat in lists[0]]
            case _:
                raise InvalidArchitecture(f"{layer!r} has unknown channels {layer.channels!r}")
    variables.freeze(runs[layers[-1][0]])
    return {
        key: tuple(variables.segment(run) for run in variables.resolve(unresolved))
        for key, unresolved in runs.items()
    }
