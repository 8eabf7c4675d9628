"""The outputs of the network."""

from worker.layers.module import MODULES, Identity


@MODULES.register("output")
class OutputModule(Identity):
    """Changes nothing."""
