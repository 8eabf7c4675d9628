"""The examples that the network reads."""

from worker.layers.module import MODULES, Identity


@MODULES.register("input")
class InputModule(Identity):
    """Changes nothing."""
