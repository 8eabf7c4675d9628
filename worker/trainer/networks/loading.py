"""Networks that have given weights."""

from core.graph.architecture import Architecture
from core.graph.weights import Weights
from worker.trainer.networks.compute import Compute
from worker.trainer.networks.network import Network


def network_with(architecture: Architecture, weights: Weights, compute: Compute) -> Network:
    """The network with these weights, on the device and in its memory format."""
    network = Network(architecture)
    network.read(weights)
    network.to(compute.device)
    network.to(memory_format=compute.memory_format)  # type: ignore[call-overload]
    return network
