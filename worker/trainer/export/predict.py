"""Predict with an exported network: python predict.py examples.npy [--json]

Needs numpy, torch and safetensors, and the other files of this folder. Examples are raw values as
in the data set, images as (N, height, width), (N, height, width, channels) or
(N, channels, height, width), signals (N, length) or
(N, channels, length), or vectors (N, features).
"""

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as functional
from safetensors.torch import load_file
from torch import Tensor

Layer = dict[str, Any]
Parameters = dict[str, Tensor]
Kind = Callable[[Layer, Parameters, list[Tensor]], Tensor]


def _batch_norm(x: Tensor, p: Parameters) -> Tensor:
    return functional.batch_norm(
        x, p["running_mean"], p["running_var"], p["weight"], p["bias"], eps=1e-5
    )


def _sum(inputs: list[Tensor]) -> Tensor:
    total = inputs[0]
    for other in inputs[1:]:
        total = total + other
    return total


def _convolved(function: Callable[..., Tensor], depthwise: bool) -> Kind:
    """A convolution padded by half its kernel; a depthwise one has a group for each channel."""
    return lambda layer, p, x: function(
        x[0],
        p["weight"],
        p.get("bias"),
        layer["stride"],
        layer["kernel"] // 2,
        groups=x[0].shape[1] if depthwise else 1,
    )


def _max_pooled(function: Callable[..., Tensor]) -> Kind:
    return lambda layer, p, x: function(
        x[0], layer["size"], layer["stride"], layer.get("padding", 0)
    )


def _avg_pooled(function: Callable[..., Tensor]) -> Kind:
    return lambda layer, p, x: function(
        x[0],
        layer["size"],
        layer["stride"],
        layer.get("padding", 0),
        count_include_pad=layer.get("count_include_pad", False),
    )


def _zeros(x: Tensor, stride: int) -> Tensor:
    sides = [-(-side // stride) for side in x.shape[2:]]
    return x.new_zeros((*x.shape[:2], *sides))


def _scaled(x: Tensor, factors: Tensor) -> Tensor:
    return x * factors.view(*factors.shape, *[1] * (x.dim() - 2))


# By kind of layer, its function of (its description, its parameters, its inputs).
KINDS: dict[str, Kind] = {
    "input": lambda layer, p, x: x[0],
    "output": lambda layer, p, x: x[0],
    "conv1d": _convolved(functional.conv1d, depthwise=False),
    "conv2d": _convolved(functional.conv2d, depthwise=False),
    "depthwise_conv1d": _convolved(functional.conv1d, depthwise=True),
    "depthwise_conv2d": _convolved(functional.conv2d, depthwise=True),
    "dense": lambda layer, p, x: functional.linear(x[0], p["weight"], p.get("bias")),
    "batch_norm": lambda layer, p, x: _batch_norm(x[0], p),
    "relu": lambda layer, p, x: functional.relu(x[0]),
    "relu6": lambda layer, p, x: functional.relu6(x[0]),
    "zero": lambda layer, p, x: _zeros(x[0], layer["stride"]),
    "gate": lambda layer, p, x: 2 * torch.sigmoid(x[0]),
    "max_pool1d": _max_pooled(functional.max_pool1d),
    "max_pool2d": _max_pooled(functional.max_pool2d),
    "avg_pool1d": _avg_pooled(functional.avg_pool1d),
    "avg_pool2d": _avg_pooled(functional.avg_pool2d),
    "global_avg_pool1d": lambda layer, p, x: x[0].mean(dim=2),
    "global_avg_pool2d": lambda layer, p, x: x[0].mean(dim=(2, 3)),
    "flatten": lambda layer, p, x: x[0].flatten(1),
    "dropout": lambda layer, p, x: x[0],
    "add": lambda layer, p, x: _sum(x),
    "concat": lambda layer, p, x: torch.cat(x, dim=1),
    "scale": lambda layer, p, x: _scaled(x[0], x[1]),
}


class Model:
    """The network of an exported folder."""

    def __init__(self, folder: Path) -> None:
        self.nodes = _read(folder / "model.json")["nodes"]
        self.classes = _read(folder / "classes.json")
        self.preprocess = _read(folder / "preprocess.json")
        self.parameters: dict[int, Parameters] = {}
        for key, tensor in load_file(folder / "weights.safetensors").items():
            node, _, name = key.partition(".")
            self.parameters.setdefault(int(node), {})[name] = tensor

    def prepare(self, x: np.ndarray[Any, Any]) -> Tensor:
        """Raw examples as the network reads them: arranged and normalised."""
        given, shape = x.shape, tuple(self.preprocess["input_shape"])
        if x.ndim == len(shape) > 1 and shape[0] == 1:
            x = x[:, None]
        elif x.ndim == 4 and len(shape) == 3 and x.shape[1:] != shape:
            x = x.transpose(0, 3, 1, 2)
        if x.shape[1:] != shape:
            expected = ", ".join(map(str, shape))
            raise SystemExit(f"examples have shape {given}; expected (N, {expected})")
        view = (1, -1) + (1,) * (len(shape) - 1)
        mean = torch.tensor(self.preprocess["mean"]).view(view)
        scale = 1 / torch.tensor(self.preprocess["std"]).view(view)
        return (torch.from_numpy(np.array(x, np.float32, order="C")) - mean) * scale

    @torch.inference_mode()
    def probabilities(self, x: np.ndarray[Any, Any], batch: int = 512) -> np.ndarray[Any, Any]:
        """(N, ...) -> (N, classes)"""
        starts = range(0, max(len(x), 1), batch)
        parts = [self._forward(self.prepare(x[start : start + batch])) for start in starts]
        return torch.cat(parts).softmax(dim=1).numpy()

    def predict(self, x: np.ndarray[Any, Any]) -> list[str]:
        """The most probable class of each example."""
        return [self.classes[k] for k in self.probabilities(x).argmax(axis=1)]

    def _forward(self, x: Tensor) -> Tensor:
        values: dict[int, Tensor] = {}
        for node in self.nodes:
            inputs = [values[source] for source in node["inputs"]] or [x]
            run = KINDS[node["kind"]]
            values[node["id"]] = run(node, self.parameters.get(node["id"], {}), inputs)
        return values[self.nodes[-1]["id"]]


def _read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def main() -> None:
    """Print the class of each example in the file."""
    parser = argparse.ArgumentParser(description="Predict with an exported network.")
    parser.add_argument("examples", type=Path, help="a .npy file")
    parser.add_argument("--json", action="store_true", help="print one JSON object per line")
    options = parser.parse_args()
    model = Model(Path(__file__).parent)
    for row in model.probabilities(np.load(options.examples, allow_pickle=False)):
        name = model.classes[int(row.argmax())]
        if options.json:
            by_class = dict(zip(model.classes, (round(float(p), 6) for p in row), strict=True))
            print(json.dumps({"class": name, "probabilities": by_class}, ensure_ascii=False))
        else:
            print(name)


if __name__ == "__main__":
    main()
