"""Where the examples come in."""

from worker.layers.twin import TWINS, Passing


@TWINS.register("input")
class InputTwin(Passing):
    """Changes nothing."""
