"""The outputs of the network."""

from worker.layers.module import MODULES, PassingModule


@MODULES.register("output")
class OutputModule(PassingModule):
    """Changes nothing."""
