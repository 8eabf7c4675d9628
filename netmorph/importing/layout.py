"""Whether the input of a file has its channels last, as exports of TensorFlow and Keras do."""

from netmorph.importing.operations import OperationGraph

_PASSED = ("Identity", "Cast", "Add", "Sub", "Mul", "Div", "Pad")  # a preparation of the input

_OF_POSITIONS = ("Conv", "MaxPool", "AveragePool", "BatchNormalization", "Pad")


def is_channels_last(graph: OperationGraph) -> bool:
    """Whether the input, prepared or not, is read by moves of its channels to the front alone."""
    rank = len(graph.input_shape) + 1
    to_first = (0, rank - 1, *range(1, rank - 1))
    names, found = {graph.input}, False
    for node in graph.nodes:
        if not names & {*node.inputs}:
            continue
        if node.kind in _PASSED:
            names.update(node.outputs)
        elif node.kind == "Transpose" and tuple(node.attributes.get("perm", ())) == to_first:
            found = rank > 3 or (rank == 3 and _is_of_positions(graph, node.outputs[0]))
        else:
            return False
    return found


def _is_of_positions(graph: OperationGraph, name: str) -> bool:
    """Whether a convolution or a pool reads the value: of signals, either move looks the same."""
    return any(node.kind in _OF_POSITIONS and name in node.inputs for node in graph.nodes)
