"""The examples that the network reads."""

from worker.layers.module import MODULES, PassingModule


@MODULES.register("input")
class InputModule(PassingModule):
    """Changes nothing."""
