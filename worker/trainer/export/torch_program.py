"""Write the exported network as a program of torch.export: python torch_program.py

Needs what predict.py needs (requirements.txt). It writes model.pt2 beside itself, which
`torch.export.load` reads without the other files of this folder. The program takes an array of the
stored type with the axes of the data set, any number of examples at once: of a table the features
of its rows, of texts their token numbers. Its result is the probabilities, or the numbers in the
units of the data set (float64). The names of the classes or targets are in its extra file
`facts.json`. The file is kept only if its results are those of predict.py.

It is written here, and not with each export, since it takes seconds and since torch promises to
read such files only in the version that wrote them.
"""

import importlib.util
import io
import json
import sys
from pathlib import Path
from typing import Any

try:
    import numpy as np
    import torch
    from torch import Tensor, nn
except ImportError as error:
    sys.exit(f"error: {error}; install what it needs: pip install -r requirements.txt")

FOLDER = Path(__file__).parent
FILE = "model.pt2"
FACTS = "facts.json"
EXAMPLES = 16  # that the file is checked on
ROUNDING = 1e-4  # that results may differ by; of numbers, in their standard deviations


class ProgramMismatch(Exception):
    """The results of the program are not those of the network; the message says by how much."""


def _predict() -> Any:
    """The module predict.py of this folder, also where Python does not look into it."""
    spec = importlib.util.spec_from_file_location("predict", FOLDER / "predict.py")
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules["predict"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Program(nn.Module):
    """From raw examples with the axes of the data set to probabilities or numbers."""

    mean: Tensor
    scale: Tensor
    target_mean: Tensor
    target_std: Tensor

    def __init__(self, model: Any, kinds: Any) -> None:
        super().__init__()
        self._model, self._kinds = model, kinds
        self.register_buffer("mean", model.mean)
        self.register_buffer("scale", model.scale)
        for node, parameters in model.parameters.items():
            for name, tensor in parameters.items():
                self.register_buffer(f"layer_{node}_{name}", tensor)
        for name in ("std", "mean") if model.targets else ():
            numbers = torch.tensor(model.targets[name], dtype=torch.float64)
            self.register_buffer(f"target_{name}", numbers)

    def forward(self, examples: Tensor) -> Tensor:
        """(N, ...) -> (N, classes or targets)"""
        x = arranged(examples, self._model.layout)
        x = ((x.to(self.mean.dtype) - self.mean) * self.scale).to(torch.float32)
        return self._results(self._outputs(x))

    def _outputs(self, x: Tensor) -> Tensor:
        values: dict[int, Tensor] = {}
        for node in self._model.nodes:
            inputs = [values[source] for source in node["inputs"]] or [x]
            names = self._model.parameters.get(node["id"], {})
            parameters = {name: getattr(self, f"layer_{node['id']}_{name}") for name in names}
            values[node["id"]] = self._kinds[node["kind"]](node, parameters, inputs)
        return values[self._model.nodes[-1]["id"]]

    def _results(self, outputs: Tensor) -> Tensor:
        """What users read instead of outputs."""
        if self._model.targets:
            return outputs.to(torch.float64) * self.target_std + self.target_mean
        if self._model.threshold is not None:
            return outputs.sigmoid()
        return outputs.softmax(dim=1)


def arranged(x: Tensor, layout: str) -> Tensor:
    """The examples with channels first: (N, channels, ...)"""
    if layout == "NF":
        return x
    return x.movedim(layout.index("C"), 1) if "C" in layout else x.unsqueeze(1)


def random_examples(model: Any) -> Any:
    """Raw examples between the least and the largest training values: (N, channels, ...)"""
    by_channel = (1, -1, *[1] * (len(model.shape) - 1))
    low, high = (np.array(model.preprocess[key]).reshape(by_channel) for key in ("low", "high"))
    x = np.random.default_rng(0).uniform(low, high, (EXAMPLES, *model.shape))
    dtype = np.dtype(model.preprocess["stored_dtype"])
    return (np.round(x) if dtype.kind in "iu" else x).astype(dtype)


def in_layout(x: Any, layout: str) -> Tensor:
    """Examples (N, channels, ...) with the axes of the data set."""
    if layout != "NF":
        x = np.moveaxis(x, 1, layout.index("C")) if "C" in layout else x[:, 0]
    return torch.from_numpy(np.ascontiguousarray(x))


def program_of(model: Any, kinds: Any) -> bytes:
    """The file, checked; raises ProgramMismatch where its results differ from the network's."""
    x = random_examples(model)
    examples = in_layout(x[:2], model.layout)
    with torch.no_grad():
        program = torch.export.export(
            Program(model, kinds).eval(),
            (torch.zeros_like(examples),),  # stored in the file, so no real examples
            dynamic_shapes=({0: torch.export.Dim.DYNAMIC},),
        )
    for node in program.graph.nodes:  # names and paths of this computer's files
        for name in ("stack_trace", "nn_module_stack"):
            node.meta.pop(name, None)
    file = io.BytesIO()
    torch.export.save(program, file, extra_files={FACTS: json.dumps(facts(model))})
    check(file, model, x)
    return file.getvalue()


def facts(model: Any) -> dict[str, Any]:
    """What a program needs to read the results, and the axes of the examples."""
    named = {"targets": model.targets["names"]} if model.targets else {"classes": model.classes}
    threshold = {} if model.threshold is None else {"threshold": model.threshold}
    return {"layout": model.layout, **named, **threshold}


def check(file: io.BytesIO, model: Any, x: Any) -> None:
    """Raise ProgramMismatch unless a file's results for examples are those of predict.py."""
    file.seek(0)
    found = torch.export.load(file).module()(in_layout(x, model.layout)).numpy()
    unit = np.array(model.targets["std"] if model.targets else 1.0)
    results = model.values if model.targets else model.probabilities
    expected = results(x, _channels_first(model))
    allowed = ROUNDING * max(1.0, float((np.abs(expected) / unit).max()))
    difference = float((np.abs(found - expected) / unit).max())
    if found.shape != expected.shape or not difference <= allowed:
        raise ProgramMismatch(
            f"its results for {len(x)} random examples differ from those of the network by up to "
            f"{difference:g}; expected at most {allowed:g}"
        )


def _channels_first(model: Any) -> str:
    return {1: "NF", 2: "NCL", 3: "NCHW"}[len(model.shape)]


def write(folder: Path) -> Path:
    """Write model.pt2 into the folder of an export, and note in its manifest what was checked."""
    predict = _predict()
    try:
        data = program_of(predict.Model(folder), predict.KINDS)
    except (ProgramMismatch, predict.InputError) as error:
        sys.exit(f"error: {FILE} is not written: {error}")
    path = folder / FILE
    path.write_bytes(data)
    _note(folder / "manifest.json")
    return path


def _note(manifest: Path) -> None:
    """Add the file to the manifest of the export, where there is one."""
    if not manifest.is_file():
        return
    noted = json.loads(manifest.read_text("utf-8"))
    noted[FILE] = {
        "checked": f"results for {EXAMPLES} random examples between the least and the largest "
        "training values are those of predict.py",
        "tolerance": ROUNDING,
        "torch": torch.__version__,
    }
    manifest.write_text(json.dumps(noted, indent=1, ensure_ascii=False), "utf-8")


if __name__ == "__main__":
    print(write(FOLDER))
