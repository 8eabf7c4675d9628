"""Where the logits go out."""

from worker.layers.module import MODULES, Passing


@MODULES.register("output")
class OutputModule(Passing):
    """Changes nothing."""
