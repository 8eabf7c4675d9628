"""Where the examples come in."""

from worker.layers.module import MODULES, Passing


@MODULES.register("input")
class InputModule(Passing):
    """Changes nothing."""
