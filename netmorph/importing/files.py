"""The files that a search can start from, by their kind.

- an ONNX file, or a program of torch.export: a network with its weights;
- a folder with an export of Netmorph: a network with its weights;
- a JSON or YAML file with an architecture of ours: weights start at random.
"""

import importlib
import importlib.util
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors import numpy as safetensors

from netmorph.errors import ClientError, UnreadableNetwork
from netmorph.importing.preparation import Preparation, as_batch_norm
from netmorph.importing.written import expand

MOST_JSON = 1 << 20  # bytes of an architecture
MOST_WEIGHTS = 1 << 30  # bytes


@dataclass(frozen=True, slots=True)
class ImportedNetwork:
    """A network as the service takes it."""

    name: str
    architecture: str  # JSON
    weights: bytes | None  # a safetensors file; None: weights start at random
    notes: tuple[str, ...] = ()  # on what differs from the file
    parameters: int | None = None  # None where there are no weights


def read(path: Path, preparation: Preparation | None = None) -> ImportedNetwork:
    """The network of a file or a folder.

    `preparation` is that of the inputs, of an ONNX file or a program of torch.export.

    Raises:
        UnreadableNetwork: there is no such file, or it is damaged or of another kind.
        UnsupportedOperation: the network has an operation that no layer of ours computes.
    """
    if path.is_dir():
        reader: Callable[[Path, Preparation], ImportedNetwork] = _export
    elif path.suffix.lower() == ".onnx":
        reader = _onnx
    elif path.suffix.lower() == ".pt2":
        reader = _torch_program
    elif path.suffix.lower() == ".json":
        reader = _json
    elif path.suffix.lower() in (".yaml", ".yml"):
        reader = _yaml
    else:
        hint = ""
        if path.suffix.lower() in (".pt", ".pth"):
            hint = "; pickled objects of torch.save are not read: export the network"
        found = (
            f"{path} is of no known kind" if path.exists() else f"there is no file or folder {path}"
        )
        raise UnreadableNetwork(
            f"{found}; expected an ONNX file (.onnx), a program of torch.export "
            f"(.pt2), an architecture of ours (.json, .yaml), or the folder of an export{hint}"
        )
    if not path.exists():
        raise UnreadableNetwork(f"there is no file {path}")
    if reader not in (_onnx, _torch_program) and preparation is not None:
        raise ClientError(
            "--root-scale, --root-mean and --root-std are for ONNX files and programs of "
            f"torch.export; {path} needs none"
        )
    return reader(path, preparation or Preparation())


def _onnx(path: Path, preparation: Preparation) -> ImportedNetwork:
    if importlib.util.find_spec("onnx") is None:
        raise ClientError(
            f"reading {path} needs the package onnx, which is not installed: "
            "pip install 'netmorph[onnx]'"
        )
    return _converted("onnx_file", path, preparation)


def _torch_program(path: Path, preparation: Preparation) -> ImportedNetwork:
    return _converted("torch_export.program", path, preparation)


def _converted(reader: str, path: Path, preparation: Preparation) -> ImportedNetwork:
    """The network of the operations that a module of this package reads from the file."""
    file = importlib.import_module(f"netmorph.importing.{reader}")
    convert = importlib.import_module("netmorph.importing.convert")
    finished, notes = convert.convert(file.load(path), preparation)
    return ImportedNetwork(
        name=path.stem,
        architecture=finished.text(),
        weights=finished.tensors(),
        notes=notes,
        parameters=finished.parameters,
    )


def _json(path: Path, _: Preparation) -> ImportedNetwork:
    """An architecture of ours: `model.json` of an export, or one that a person wrote."""
    data = _parsed(path)
    return _without_weights(path, data if "nodes" in data else expand(data, path))


def _yaml(path: Path, _: Preparation) -> ImportedNetwork:
    """An architecture that a person wrote in YAML."""
    if importlib.util.find_spec("yaml") is None:
        raise ClientError(
            f"reading {path} needs the package pyyaml, which is not installed: "
            "pip install 'netmorph[yaml]'; or write it as JSON"
        )
    yaml = importlib.import_module("yaml")
    try:
        data = yaml.safe_load(_bytes(path, MOST_JSON))
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise UnreadableNetwork(f"{path} is not YAML: {error}") from None
    return _without_weights(path, expand(_object(path, data), path))


def _without_weights(path: Path, architecture: dict[str, Any]) -> ImportedNetwork:
    try:
        return ImportedNetwork(path.stem, json.dumps(architecture, allow_nan=False), None)
    except (TypeError, ValueError) as error:
        raise UnreadableNetwork(f"{path} is no architecture: {error}") from None


def _architecture(path: Path) -> dict[str, Any]:
    data = _parsed(path)
    if not isinstance(data.get("nodes"), list):
        raise UnreadableNetwork(f"{path} is no architecture: expected 'version' and 'nodes'")
    return data


def _export(path: Path, _: Preparation) -> ImportedNetwork:
    """An export, whose preparation of the inputs becomes its first layer."""
    architecture, preprocessing = (
        _architecture(path / "model.json"),
        _parsed(path / "preprocess.json"),
    )
    try:
        nodes: list[dict[str, Any]] = architecture["nodes"]
        source, norm = nodes[0]["id"], 1 + max(node["id"] for node in nodes)
        mean, std = (np.asarray(preprocessing[name], float) for name in ("mean", "std"))
        later = [
            node | {"inputs": [norm if one == source else one for one in node["inputs"]]}
            for node in nodes[1:]
        ]
    except (KeyError, TypeError, ValueError, IndexError):
        raise UnreadableNetwork(f"{path} is no export of Netmorph, or it is damaged") from None
    prepared = {"id": norm, "kind": "batch_norm", "inputs": [source]}
    tensors = _tensors(path / "weights.safetensors")
    for name, array in as_batch_norm(1 / std, -mean / std).items():
        tensors[f"{norm}.{name}"] = array
    if preprocessing.get("targets"):
        _restore_units(tensors, nodes, preprocessing["targets"])
    text = json.dumps(architecture | {"nodes": [nodes[0], prepared, *later]})
    return ImportedNetwork(
        name=path.absolute().name,
        architecture=text,
        weights=safetensors.save(tensors),
        parameters=sum(array.size for name, array in tensors.items() if ".running_" not in name),
    )


def _restore_units(
    tensors: dict[str, Any], nodes: list[dict[str, Any]], targets: dict[str, Any]
) -> None:
    """Change the last layer of an export, so that its outputs are in the units of the data set."""
    (last,) = nodes[-1]["inputs"]
    mean, std = (np.asarray(targets[name], float) for name in ("mean", "std"))
    weight, bias = (tensors.get(f"{last}.{name}") for name in ("weight", "bias"))
    if weight is None or bias is None or weight.ndim != 2:
        raise UnreadableNetwork(
            "the export predicts numbers, and its last layer is no dense layer with a bias, as of "
            "an ensemble; expected the export of one network"
        )
    tensors[f"{last}.weight"] = (weight * std[:, None]).astype(np.float32)
    tensors[f"{last}.bias"] = (bias * std + mean).astype(np.float32)


def _tensors(path: Path) -> dict[str, Any]:
    try:
        return dict(safetensors.load(_bytes(path, MOST_WEIGHTS)))
    except (SafetensorError, ValueError, KeyError):
        raise UnreadableNetwork(f"{path} is no safetensors file, or it is damaged") from None


def _parsed(path: Path) -> dict[str, Any]:
    try:
        data = json.loads(_bytes(path, MOST_JSON))
    except (ValueError, RecursionError) as error:
        raise UnreadableNetwork(f"{path} is not JSON: {error}") from None
    return _object(path, data)


def _object(path: Path, data: Any) -> dict[str, Any]:
    if not isinstance(data, dict):
        raise UnreadableNetwork(f"{path} holds a {type(data).__name__}; expected an object")
    return data


def _bytes(path: Path, most: int) -> bytes:
    try:
        size = path.stat().st_size
        if size > most:
            raise UnreadableNetwork(f"{path} has {size} bytes; expected at most {most}")
        return path.read_bytes()
    except OSError as error:
        raise UnreadableNetwork(f"{path} cannot be read: {error.strerror}") from None
