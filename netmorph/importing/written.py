"""An architecture that a person writes in a few lines of JSON or YAML.

    input: [1, 8, 8]                # of one example, channels first
    layers:
      - conv2d: 16                  # filters; kernel 3, stride 1
      - relu
      - max_pool2d
      - conv2d: {filters: 16, kernel: 5, name: wide}
      - add: [wide, max_pool2d]     # of earlier layers, by name or kind
      - flatten
      - dense: 10

A layer reads the one before it, unless it names others. `name` is what later layers call it; one
without a name is called by its kind, the last such layer. The output is added.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from netmorph.errors import UnreadableNetwork

MOST_LAYERS = 500
#: The field that a single value of a layer stands for.
MAIN_FIELDS: Mapping[str, str] = {
    **dict.fromkeys(("conv1d", "conv2d"), "filters"),
    **dict.fromkeys(("depthwise_conv1d", "depthwise_conv2d"), "kernel"),
    **dict.fromkeys(("max_pool1d", "max_pool2d", "avg_pool1d", "avg_pool2d"), "size"),
    "dense": "units",
    "dropout": "rate",
    "zero": "stride",
}
_CONVOLUTION = {"kernel": 3, "stride": 1}
_POOL = {"size": 2, "stride": 2}
#: Fields of a layer that may be left out here, although the service expects them.
USUAL_FIELDS: Mapping[str, Mapping[str, int]] = {
    **dict.fromkeys(("conv1d", "conv2d", "depthwise_conv1d", "depthwise_conv2d"), _CONVOLUTION),
    **dict.fromkeys(("max_pool1d", "max_pool2d", "avg_pool1d", "avg_pool2d"), _POOL),
    "zero": {"stride": 1},
}
_EACH_AXIS = ("size", "stride", "dilation")  # fields of pools that may differ between the axes
_JOINING = frozenset({"add", "concat", "scale"})
_EXAMPLE = "such as relu, conv2d: 16, or conv2d: {filters: 16, kernel: 5}"


def expand(written: Mapping[str, Any], path: Path) -> dict[str, Any]:
    """The architecture as the service takes it; it checks kinds, fields and shapes.

    Raises UnreadableNetwork where the file has another form.
    """
    if set(written) != {"input", "layers"} or not isinstance(written["layers"], list):
        raise UnreadableNetwork(
            f"{path} is no architecture: expected 'input', the shape of an example, and a list "
            f"'layers'; or 'version' and 'nodes', as in model.json of an export"
        )
    layers = written["layers"]
    if len(layers) > MOST_LAYERS:
        raise UnreadableNetwork(f"{path} has {len(layers)} layers; expected at most {MOST_LAYERS}")
    nodes = [{"id": 0, "kind": "input", "shape": _shape(written["input"], path), "inputs": []}]
    names = {"input": 0}
    for number, entry in enumerate(layers, 1):
        where = f"{path}: layer {number}"
        kind, fields = _kind_and_fields(entry, where)
        name = fields.pop("name", kind)
        inputs = [_named(one, names, where) for one in fields.pop("inputs", [])] or [number - 1]
        nodes.append(
            {"id": number, "kind": kind, **USUAL_FIELDS.get(kind, {}), **fields, "inputs": inputs}
        )
        names[str(name)] = number
    last = len(layers)
    return {
        "version": 1,
        "nodes": [*nodes, {"id": last + 1, "kind": "output", "inputs": [last]}],
    }


def _shape(found: Any, path: Path) -> list[int]:
    if not isinstance(found, list) or not all(type(size) is int for size in found):
        raise UnreadableNetwork(
            f"{path}: input is {_shown(found)}; expected the shape of one example, such as "
            "[1, 28, 28]"
        )
    return found


def _kind_and_fields(entry: Any, where: str) -> tuple[str, dict[str, Any]]:
    """The kind of a layer and its fields, with `inputs` where it names them."""
    if isinstance(entry, str):
        return entry, {}
    if not isinstance(entry, dict) or len(entry) != 1 or not isinstance(next(iter(entry)), str):
        raise UnreadableNetwork(f"{where} is {_shown(entry)}; expected a layer, {_EXAMPLE}")
    ((kind, given),) = entry.items()
    if isinstance(given, list) and kind in _JOINING:
        given = {"inputs": given}
    if not isinstance(given, dict):
        if kind not in MAIN_FIELDS:
            raise UnreadableNetwork(f"{where} is {kind}: {_shown(given)}; expected {kind} alone")
        given = {MAIN_FIELDS[kind]: given}
    fields = dict(given)
    if not isinstance(fields.get("inputs", []), list):
        raise UnreadableNetwork(
            f"{where} has inputs {_shown(fields['inputs'])}; expected a list of names"
        )
    for name, value in fields.items():
        if not isinstance(name, str) or not (name == "inputs" or _is_value(name, value)):
            expected = "a list of integers" if name == "pads" else "a number, true or false"
            if name in _EACH_AXIS:
                expected = "a number, or a list with one for each axis"
            raise UnreadableNetwork(
                f"{where} has {_shown(name)} {_shown(value)}; expected {expected}"
            )
    return kind, fields


def _is_value(name: str, found: Any) -> bool:
    """Whether a field has a single value; pads are a list, a size or stride may be one."""
    if isinstance(found, list):
        return name in ("pads", *_EACH_AXIS) and all(type(one) is int for one in found)
    return name != "pads" and isinstance(found, str | int | float)


def _named(one: Any, names: Mapping[str, int], where: str) -> int:
    """The id of the last layer of this name."""
    if not isinstance(one, str) or one not in names:
        raise UnreadableNetwork(
            f"{where} reads {_shown(one)}; expected the name of an earlier layer: "
            f"{', '.join(names)}"
        )
    return names[one]


def _shown(value: Any) -> str:
    """A value for a message; of a list or object its kind alone: aliases of YAML make them huge."""
    return repr(value)[:80] if isinstance(value, str | int | float) else type(value).__name__
