"""Programs of torch.export: their JSON, read to the operations that an ONNX file would have.

Needs no torch. The names of the JSON's fields are those of torch's `_export/serde/schema.py`.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from netmorph.errors import UnreadableNetwork, UnsupportedOperation
from netmorph.importing.graph import Array
from netmorph.importing.operations import (
    MOST_BYTES,
    OperationGraph,
    check_count,
    example_shape,
    only,
)
from netmorph.importing.parts import with_parts
from netmorph.importing.torch_export.archive import OTHER_WAY, Archive, opened, stored, weights
from netmorph.importing.torch_export.call import Call, Name, Sizes
from netmorph.importing.torch_export.memory import Memory
from netmorph.importing.torch_export.operators import take
from netmorph.importing.torch_export.translation import Translation

SCHEMA = 8  # the major version, which torch raises where older readers would misread a program
#: The folder and the field with the name, for the kinds of inputs that are stored.
_STORED = {
    "parameter": ("weights", "parameter_name"),
    "buffer": ("weights", "buffer_name"),
    "tensor_constant": ("constants", "tensor_constant_name"),
}


def load(path: Path) -> OperationGraph:
    """The operations of a .pt2 archive.

    Raises UnreadableNetwork where the file is too large or damaged or has pickled weights, or where
    the network has several inputs or outputs, or an input of unknown shape.
    """
    with opened(path) as archive:
        models = archive.names("models", ".json")
        if not models:
            raise UnreadableNetwork(f"{path} has no program, only compiled code: {OTHER_WAY}")
        model = only(models, "program", "the network", path)
        program = archive.json(f"models/{model}.json")
        _check_version(program, path)
        return _read(archive, model, program["graph_module"])


def _check_version(program: Mapping[str, Any], path: Path) -> None:
    found = program["schema_version"]["major"]
    if found != SCHEMA:
        raise UnreadableNetwork(
            f"{path} has version {found!r} of the format of torch.export, of torch "
            f"{str(program.get('torch_version'))[:20]!r}; expected {SCHEMA}: {OTHER_WAY}"
        )


def _read(archive: Archive, model: str, module: Mapping[str, Any]) -> OperationGraph:
    graph, signature, path = module["graph"], module["signature"], archive.path
    check_count(len(graph["nodes"]), path)
    shapes = {name: _sizes(meta) for name, meta in graph["tensor_values"].items()}
    name = only(list(_inputs(signature)), "input", "the examples", path)
    output = only(list(_outputs(signature, path)), "output", "of the logits", path)
    shape = example_shape(name, ["?" if n is None else n for n in shapes[name]], path)
    calls = [_call(index, node) for index, node in enumerate(graph["nodes"])]
    read = {one for call in calls for one in call.read} | {output}
    translation, memory = Translation(shapes, _constants(archive, model, signature, read)), Memory()
    try:
        for call in calls:
            memory.note(call)
            take(translation, call)
    except UnsupportedOperation as error:
        nodes = [call.operation(call.kind, ()) for call in calls]
        raise with_parts(error, nodes, set()) from None
    memory.check(output, "the output")
    return OperationGraph(tuple(translation.operations), translation.constants, name, shape, output)


def _inputs(signature: Mapping[str, Any]) -> Iterator[str]:
    """The names of the inputs that a caller gives."""
    for spec in signature["input_specs"]:
        if "user_input" in spec:
            yield spec["user_input"]["arg"]["as_tensor"]["name"]


def _outputs(signature: Mapping[str, Any], path: Path) -> Iterator[str]:
    for spec in signature["output_specs"]:
        ((kind, found),) = spec.items()
        if kind == "user_output":
            yield found["arg"]["as_tensor"]["name"]
        elif kind != "user_input_mutation":
            raise UnreadableNetwork(
                f"{path} changes its own values ({kind}): export the model after model.eval()"
            )


def _constants(
    archive: Archive, model: str, signature: Mapping[str, Any], read: set[str]
) -> dict[str, Array]:
    """The stored tensors that an operation reads, by the names that the operations use."""
    constants: dict[str, Array] = {}
    about: dict[str, Mapping[str, Any]] = {}
    for spec in signature["input_specs"]:
        ((kind, found),) = spec.items()
        if kind not in _STORED or found["arg"]["name"] not in read:
            continue
        folder, field = _STORED[kind]
        if found.get("persistent") is False:
            folder = "constants"
        if folder not in about:
            about[folder] = weights(archive, folder, model)
        name = found[field]
        constants[found["arg"]["name"]] = stored(archive, folder, name, about[folder][name])
        if sum(array.nbytes for array in constants.values()) > MOST_BYTES:
            raise UnreadableNetwork(f"{archive.path} has weights of more than {MOST_BYTES} bytes")
    return constants


def _call(index: int, node: Mapping[str, Any]) -> Call:
    modules = _modules(node.get("metadata", {}).get("nn_module_stack", ""))
    return Call(
        name=str(node.get("name") or f"number {index}"),
        kind=str(node["target"]).removeprefix("torch.ops."),
        module=modules[-1][0] if modules else "",
        classes=tuple(name for _, name in modules),
        arguments={one["name"]: _argument(one["arg"]) for one in node["inputs"]},
        outputs=tuple(name for one in node["outputs"] for name in _names(one)),
    )


def _modules(stack: str) -> list[tuple[str, str]]:
    """Path and class of each module of "key,path,class;key,path,class", the innermost last."""
    parts = [one.split(",") for one in stack.split(";")]
    return [(one[1], one[2].rpartition(".")[2]) for one in parts if len(one) == 3]


def _argument(found: Mapping[str, Any]) -> Any:
    """A value, a Name of a computed one, or a list of these."""
    ((kind, value),) = found.items()
    match kind:
        case "as_none":
            return None
        case "as_tensor":
            return Name(value["name"])
        case "as_sym_int":
            return value["as_int"] if "as_int" in value else Name(value["as_name"])
        case "as_tensors":
            return [Name(one["name"]) for one in value]
        case "as_sym_ints":
            return [_argument({"as_sym_int": one}) for one in value]
        case "as_optional_tensor":
            return _argument(value)
    return value


def _names(found: Mapping[str, Any]) -> list[str]:
    """The names of the tensors that an operation computes; empty for others than tensors."""
    if "as_tensors" in found:
        return [str(one["name"]) for one in found["as_tensors"]]
    return [str(found["as_tensor"]["name"]) if "as_tensor" in found else ""]


def _sizes(meta: Mapping[str, Any]) -> Sizes:
    return tuple(size.get("as_int") for size in meta["sizes"])
