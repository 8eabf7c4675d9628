"""The architecture of a torch.export program computes its function, or the node is named."""

import contextlib
import copy
import json
import pickle
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F

from netmorph.errors import UnreadableNetwork, UnsupportedOperation
from netmorph.importing.files import ImportedNetwork, read
from netmorph.importing.preparation import Preparation
from tests.netmorph.importing.models import MODELS, program_of, save_program, trained
from tests.netmorph.importing.test_convert import TOLERANCE, ours, softmax

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning")  # of torch's own pytree


class Made(nn.Module):
    """Three classes of images of shape (2, 9, 8), behind a convolution and a function of it."""

    def __init__(self, function: Callable[[Tensor], Tensor] = torch.relu) -> None:
        super().__init__()
        self.function = function
        self.conv = nn.Conv2d(2, 4, 3, padding=1)
        with torch.no_grad():
            size = function(self.conv(torch.zeros(1, 2, 9, 8))).numel()
        self.classes = nn.Linear(size, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.classes(torch.flatten(self.function(self.conv(x)), 1))


SHAPE = (2, 9, 8)


def normal(*shape: int, seed: int = 3) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def assert_same_function(
    network: ImportedNetwork, model: nn.Module, shape: tuple[int, ...], scale: float = 1.0
) -> None:
    x = scale * normal(6, *shape)
    with torch.inference_mode():
        expected = model(torch.from_numpy(x)).double().numpy()
    found = ours(network, x)
    if any("oftmax" in note for note in network.notes):
        found, expected = softmax(found), expected if (expected >= 0).all() else np.exp(expected)
    assert expected.std(axis=0).max() > 1e-4  # the outputs depend on the inputs
    assert np.abs(found - expected).max() <= TOLERANCE * max(1.0, np.abs(expected).max())


#: Large networks whose kinds of layers others have, too; test_convert reads them in every run.
LARGE = {"googlenet", "mobilenet"}


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=pytest.mark.slow) if name in LARGE else name for name in MODELS],
)
def test_a_network_in_plain_pytorch_keeps_its_function(name, tmp_path):
    """As exported, and with torch's operators decomposed."""
    make, shape = MODELS[name]
    model = trained(make)
    program = program_of(model, shape)
    for one in (program, program.run_decompositions()):
        network = read(save_program(one, tmp_path / "m.pt2"))
        assert_same_function(network, model, shape, 100.0 if name == "prepared" else 1.0)


@pytest.mark.parametrize("name", ["lenet", "resnet"])
def test_the_number_of_examples_may_be_fixed(name, tmp_path):
    make, shape = MODELS[name]
    model = trained(make)
    for batch in (1, 2):
        path = save_program(program_of(model, shape, batch=batch), tmp_path / "m.pt2")
        assert_same_function(read(path), model, shape)


FACTORS = torch.tensor([0.5, -1.0, 2.0, 3.0])
FUNCTIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "numbers": lambda y: 3.0 - (y * 2 - 1) / 4,
    "numbers for each channel": lambda y: (y + FACTORS.view(4, 1, 1) * 2) / FACTORS[:, None, None],
    "limits": lambda y: F.relu6(y.clamp(min=0)) + F.hardtanh(y, 0.0, 6.0) + y.clamp_min(0),
    "two limits": lambda y: y.clamp(min=0).clamp(max=6),
    "padding": lambda y: F.max_pool2d(F.avg_pool2d(y, 3, 2, 1, count_include_pad=False), 2),
    "positions": lambda y: F.adaptive_avg_pool2d(F.adaptive_avg_pool2d(y, (9, 8))[:], 1),
    "a quarter of the positions": lambda y: F.adaptive_avg_pool2d(F.max_pool2d(y, 2), 2),
    "the mean along the first axis": lambda y: y.mean(2, keepdim=True),
    "the mean along the last axis": lambda y: torch.relu(y).mean((-1,), keepdim=True),
    "strips": lambda y: F.adaptive_avg_pool2d(F.max_pool2d(y, (3, 1), 1, (1, 0)), (3, 8)),
    "the largest": lambda y: F.adaptive_max_pool2d(F.max_pool2d(y, 2), 1),
    "shapes": lambda y: y.mean((2, 3), keepdim=True).squeeze(-1).squeeze(-1)[:, :, None, None],
    "in place": lambda y: F.relu_(F.silu(y, inplace=True).add_(1.0).mul_(y)),
    "casts": lambda y: y.to(torch.float32).contiguous().clone().detach(),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_of_a_convolution(name, tmp_path):
    """As exported, and with torch's operators decomposed."""
    model = trained(lambda: Made(FUNCTIONS[name]))
    program = program_of(model, SHAPE)
    for one in (program, program.run_decompositions()):
        assert_same_function(read(save_program(one, tmp_path / "m.pt2")), model, SHAPE)


@pytest.mark.parametrize(
    "layer",
    [
        nn.Conv2d(2, 4, (1, 5), padding="same"),
        nn.Conv2d(2, 4, 3, padding="valid"),
        nn.Sequential(nn.ZeroPad2d(1), nn.Conv2d(2, 4, 3, 2)),
        nn.Sequential(nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4, affine=False, eps=1e-3)),
    ],
    ids=["same", "valid", "padded", "without factors"],
)
def test_layers(layer, tmp_path):
    size = layer(torch.zeros(2, *SHAPE))[0].numel()
    model = trained(lambda: nn.Sequential(copy.deepcopy(layer), nn.Flatten(), nn.Linear(size, 3)))
    path = save_program(program_of(model, SHAPE), tmp_path / "m.pt2")
    assert_same_function(read(path), model, SHAPE)


@pytest.mark.filterwarnings("ignore:No complete tensor:UserWarning")  # of a transposed weight
def test_weights_of_other_layouts_and_shared_ones(tmp_path):
    class Shared(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = (nn.Conv2d(2, 2, 3, padding=1) for _ in "12")
            self.second.weight = self.first.weight
            self.classes = nn.Linear(144, 3)
            self.classes.weight = nn.Parameter(torch.randn(144, 3).T)  # strides of its own

        def forward(self, x: Tensor) -> Tensor:
            return self.classes(self.second(torch.relu(self.first(x))).flatten(1))

    model = trained(Shared).to(memory_format=torch.channels_last)
    assert_same_function(
        read(save_program(program_of(model, SHAPE), tmp_path / "m.pt2")), model, SHAPE
    )


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16])
def test_weights_of_other_types_are_read_as_they_are(dtype, tmp_path):
    model = trained(Made).to(dtype)
    program = torch.export.export(model, (torch.zeros(2, *SHAPE, dtype=dtype),))
    network = read(save_program(program, tmp_path / "m.pt2"))
    assert_same_function(network, model.to(torch.float32), SHAPE)


def test_the_preparation_of_the_inputs_is_part_of_the_network(tmp_path):
    model = trained(Made)
    path = save_program(program_of(model, SHAPE), tmp_path / "m.pt2")
    x = normal(4, *SHAPE)
    with torch.inference_mode():
        expected = model((torch.from_numpy(x) / 5 - 0.5) / 2).numpy()
    found = ours(read(path, Preparation(scale=5.0, mean=(0.5,), std=(2.0,))), x)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_a_program_is_read_without_torch_and_onnx(tmp_path):
    path = save_program(program_of(trained(Made), SHAPE), tmp_path / "m.pt2")
    program = (
        "import sys; from pathlib import Path; from netmorph.importing.files import read; "
        f"read(Path({str(path)!r})); print({{'torch', 'onnx'}} & {{*sys.modules}})"
    )
    ended = subprocess.run(
        [sys.executable, "-P", "-c", program], capture_output=True, text=True, check=True
    )
    assert ended.stdout.strip() == "set()"


# --- what is refused -----------------------------------------------------------------------------


def changed_behind_a_view(y: Tensor) -> Tensor:
    y = y * 2
    flat = torch.flatten(y, 1)
    torch.relu_(y)
    return flat + 1


REFUSED: dict[str, tuple[Callable[[Tensor], Tensor], str]] = {
    "leaky": (F.leaky_relu, r"'leaky_relu' \(aten.leaky_relu\).*nearest that can be taken is Relu"),
    "mish": (F.mish, r"aten.mish \(1\).*SiLU, GELU, HardSwish or Tanh"),
    "tanh": (lambda y: F.gelu(y, approximate="tanh"), "approximation 'tanh'"),
    "norm": (lambda y: F.layer_norm(y, (9, 8)), "nearest that can be taken is BatchNormalization"),
    "transposed": (lambda y: y.permute(0, 2, 1, 3), "export with channels first"),
    "parts": (lambda y: y.split(1, 1)[1], r"'split' \(aten.split.Tensor\).*a Conv for each part"),
    "gate of parts": (lambda y: F.glu(y, 1), r"aten.glu \(1\); .* a Conv for each part"),
    "dropout": (lambda y: F.dropout(y, 0.5, training=True), r"after model.eval\(\)"),
    "factor": (lambda y: torch.add(y, y, alpha=2), "it scales or rounds"),
    "slope": (lambda y: y.clamp(0, 1), "from 0.0 to 1.0; expected from 0 to 6"),
    "positions": (lambda y: F.adaptive_avg_pool2d(y, 5), r"from \(9, 8\) to \(5, 5\) positions"),
    "divisor": (lambda y: F.avg_pool2d(y, 2, divisor_override=3), "a divisor of its own"),
    "mean": (lambda y: y.mean(1), "expected all spatial axes"),
    "tokens": (lambda y: y.flatten(2), r"expected one vector"),
    "part": (lambda y: y[:, 1:], r"aten.slice.Tensor \(1\); the nearest .* a Conv for each part"),
    "sum": (lambda y: y.unsqueeze(1).sum(1), r"aten.sum.dim_IntList \(1\); .* ReduceMean over"),
    "root": (lambda y: y.abs().sqrt(), r"for aten.abs, Relu.*; for aten.sqrt, Relu"),
    "larger": (lambda y: F.interpolate(y, scale_factor=2), "is a smaller stride before it"),
    "order": (lambda y: y.sort(1)[0], r"aten.sort \(1\); nothing near them can be taken"),
    "in place": (changed_behind_a_view, "works in place has changed it.*without inplace=True"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_an_operator_that_cannot_be_taken_is_named(name, tmp_path):
    function, words = REFUSED[name]
    path = save_program(program_of(Made(function).eval(), SHAPE), tmp_path / "m.pt2")
    with pytest.raises(UnreadableNetwork, match=words):
        read(path)


def test_an_operator_behind_a_module_names_the_module(tmp_path):
    model = nn.Sequential(nn.Conv2d(2, 4, 3), nn.LeakyReLU(), nn.Flatten(), nn.Linear(168, 3))
    path = save_program(program_of(model.eval(), SHAPE), tmp_path / "m.pt2")
    with pytest.raises(UnsupportedOperation, match=r"'leaky_relu' \(aten.leaky_relu of 1\)"):
        read(path)


def test_a_network_in_training_mode_is_refused(tmp_path):
    model = nn.Sequential(nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(168, 3))
    path = save_program(program_of(model.train(), SHAPE), tmp_path / "m.pt2")
    with pytest.raises(UnreadableNetwork, match=r"export the model after model.eval\(\)"):
        read(path)


def test_several_inputs_or_outputs_and_open_sizes_are_refused(tmp_path):
    class Two(nn.Module):
        def forward(self, x: Tensor, y: Tensor) -> Tensor:
            return x + y

    class Both(nn.Module):
        def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
            return x + 1, x + 2

    x, path = torch.zeros(2, 3), tmp_path / "m.pt2"
    save_program(torch.export.export(Two(), (x, x)), path)
    with pytest.raises(UnreadableNetwork, match="2 inputs, 'x', 'y'; expected one, the examples"):
        read(path)
    save_program(torch.export.export(Both(), (x,)), path)
    with pytest.raises(UnreadableNetwork, match="2 outputs, 'add', 'add_1'; expected one, of the"):
        read(path)
    model = nn.Sequential(nn.Conv2d(2, 3, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    open_width = ({n: torch.export.Dim(f"n{n}", min=2 * n) for n in (0, 3)},)
    program = torch.export.export(model, (torch.zeros(2, 2, 9, 8),), dynamic_shapes=open_width)
    save_program(program, path)
    with pytest.raises(UnreadableNetwork, match="with an example of the data's shape"):
        read(path)


# --- archives ------------------------------------------------------------------------------------


class Evil:
    """Writes a file where it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str]]:
        return exec, (f"open({str(self.path)!r}, 'w').close()",)


@pytest.fixture(scope="module")
def entries(tmp_path_factory) -> dict[str, bytes]:
    """The entries of a sound archive."""
    path = save_program(
        program_of(trained(Made), SHAPE), tmp_path_factory.mktemp("sound") / "m.pt2"
    )
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def write(path: Path, entries: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in entries.items():
            archive.writestr(name, data)
    return path


def edited(entries: dict[str, bytes], name: str, edit: Callable[[Any], object]) -> dict[str, bytes]:
    """The entries with changed JSON in one of them."""
    found = json.loads(entries[name])
    edit(found)
    return entries | {name: json.dumps(found).encode()}


CONFIG = "m/data/weights/model_weights_config.json"


def test_no_pickled_entry_is_opened(entries, tmp_path):
    """Example inputs are left alone; pickled weights are refused."""
    mark = tmp_path / "opened"
    evil = pickle.dumps(Evil(mark))
    path = write(tmp_path / "m.pt2", entries | {"m/data/sample_inputs/model.pt": evil})
    assert read(path).parameters

    def pickled(config: Any) -> None:
        for about in config["config"].values():
            about["use_pickle"] = True

    stored = {name: evil for name in entries if "weight_" in name}
    write(path, edited(entries, CONFIG, pickled) | stored)
    with pytest.raises(UnreadableNetwork, match=r"pickled objects.*or as an ONNX file with torch"):
        read(path)
    assert not mark.exists()
    pickle.loads(evil)  # it would have been noticed
    assert mark.exists()


def without(name: str) -> Callable[[dict[str, bytes]], dict[str, bytes]]:
    return lambda entries: {key: data for key, data in entries.items() if key != name}


def with_weight(field: str, value: object) -> Callable[[dict[str, bytes]], dict[str, bytes]]:
    """An archive with other facts on the first weight."""

    def change(entries: dict[str, bytes]) -> dict[str, bytes]:
        def edit(config: Any) -> None:
            about = next(iter(config["config"].values()))
            (about if field in about else about["tensor_meta"])[field] = value

        return edited(entries, CONFIG, edit)

    return change


def of_version(major: object) -> Callable[[dict[str, bytes]], dict[str, bytes]]:
    return lambda entries: edited(
        entries, "m/models/model.json", lambda found: found["schema_version"].update(major=major)
    )


ints = [{"as_int": 4}, {"as_int": 2}, {"as_int": 3}, {"as_int": 3}]
ARCHIVES: dict[str, tuple[Callable[[dict[str, bytes]], dict[str, bytes]], str]] = {
    "no program": (without("m/models/model.json"), "no program, only compiled code"),
    "two programs": (
        lambda entries: entries | {"m/models/other.json": b"{}"},
        "has 2 programs, 'model', 'other'",
    ),
    "no mark": (without("m/archive_format"), "no program of torch.export"),
    "no weights": (without("m/data/weights/weight_0"), "no entry 'data/weights/weight_0'"),
    "no config": (without(CONFIG), "no entry 'data/weights/model_weights_config.json'"),
    "short": (lambda entries: entries | {"m/data/weights/weight_0": b"1234"}, "only 1 values"),
    "odd": (lambda entries: entries | {"m/data/weights/weight_0": b"123"}, "is damaged: buffer"),
    "sizes": (with_weight("sizes", [{"as_int": 2**40}]), "no number of values"),
    "negative": (with_weight("storage_offset", {"as_int": -8}), "-8 is no number of values"),
    "offset": (with_weight("storage_offset", {"as_int": 8}), "only 72 values are stored"),
    "strides": (with_weight("strides", [{"as_int": 9}] * 4), "only 72 values are stored"),
    "one value": (with_weight("strides", ints[:2]), "is damaged: zip"),
    "dtype": (with_weight("dtype", 9), "of a type that is not known"),
    "above": (with_weight("path_name", "../../../secret"), "no entry 'data/weights/../../../sec"),
    "elsewhere": (with_weight("path_name", "/etc/passwd"), "no entry 'data/weights//etc/passwd'"),
    "no text": (with_weight("path_name", [1]), r"no entry 'data/weights/\[1\]'"),
    "version": (of_version(9), "has version 9 of the format.*expected 8"),
    "no version": (of_version(None), "has version None"),
    "no JSON": (lambda entries: entries | {"m/models/model.json": b"{"}, "is damaged: Expecting"),
    "a list": (lambda entries: entries | {"m/models/model.json": b"[]"}, "or it is damaged"),
    "deep": (lambda entries: entries | {"m/models/model.json": b"[" * 99_999}, "it is damaged"),
    "a checkpoint": (lambda entries: {"m/data.pkl": b""}, "torch.save.*pickled objects"),
    "older": (
        lambda entries: {"serialized_exported_program.json": b"{}"},
        "weights of an older torch as pickled objects",
    ),
    "nothing": (lambda entries: {}, "no program of torch.export"),
}


@pytest.mark.parametrize("name", ARCHIVES)
def test_a_damaged_or_hostile_archive_is_refused(name, entries, tmp_path):
    (tmp_path / "secret").write_bytes(bytes(1000))
    change, words = ARCHIVES[name]
    path = write(tmp_path / "m.pt2", change(entries))
    with pytest.raises(UnreadableNetwork, match=words):
        read(path)


def test_a_small_file_does_not_become_a_large_one(entries, tmp_path):
    path = tmp_path / "m.pt2"
    bomb = entries | {"m/data/weights/weight_0": bytes(50_000_000)}
    write(path, bomb, zipfile.ZIP_DEFLATED)
    assert path.stat().st_size < 1_000_000
    with pytest.raises(UnreadableNetwork, match="compressed or encrypted entries"):
        read(path)
    write(path, entries)
    data = bytearray(path.read_bytes())
    record = data.rindex(b"PK\x01\x02")  # says of the last entry that it has 2 GiB
    data[record + 20 : record + 28] = (2**31).to_bytes(4, "little") * 2
    path.write_bytes(data)
    with pytest.raises(UnreadableNetwork, match="larger than the whole file"):
        read(path)


def test_damaged_bytes_and_files_that_are_no_archives_are_refused(entries, tmp_path):
    path = write(tmp_path / "m.pt2", entries)
    data = path.read_bytes()
    weight = data.index(entries["m/data/weights/weight_0"])
    for damaged, words in (
        (data[:weight] + b"\xff" + data[weight + 1 :], "Bad CRC-32"),
        (data[: len(data) // 2], "not a zip file"),
        (b"", "not a zip file"),
        (b"\x80\x04N.", "not a zip file"),
    ):
        path.write_bytes(damaged)
        with pytest.raises(UnreadableNetwork, match=words):
            read(path)
    with pytest.raises(UnreadableNetwork, match="there is no file"):
        read(tmp_path / "absent.pt2")
    (tmp_path / "m.pth").write_bytes(b"")
    with pytest.raises(UnreadableNetwork, match=r"objects of torch\.save are not read"):
        read(tmp_path / "m.pth")


def test_a_mean_that_counts_unequal_padding_in_incomplete_windows_is_refused(tmp_path):
    pool = Made(lambda x: F.avg_pool2d(x, 4, 2, (2, 0), ceil_mode=True))
    message = "counts zeros around its input and has incomplete windows; expected equal padding"
    with pytest.raises(UnsupportedOperation, match=message):
        read(save_program(program_of(pool, SHAPE), tmp_path / "m.pt2"))


def test_each_kind_of_operation_that_cannot_be_taken_has_its_nearest(tmp_path):
    """As in ConvNeXt: a LayerNorm over the channels, which stand last."""
    model = Made(lambda x: F.layer_norm(F.leaky_relu(x.permute(0, 2, 3, 1)), (4,)))
    message = r"layer_norm \(1\).*for aten\.leaky_relu, Relu.*for aten\.layer_norm, BatchNorm"
    with pytest.raises(UnsupportedOperation, match=message):
        read(save_program(program_of(model, SHAPE), tmp_path / "m.pt2"))


def parts_of(found: Any) -> Iterator[tuple[Any, Any]]:
    """All containers of a JSON value, each with all of its keys."""
    for key in list(found) if isinstance(found, dict) else range(len(found)):
        yield found, key
        if isinstance(found[key], (dict, list)):
            yield from parts_of(found[key])


VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(-5, 5), st.floats(), st.just("text"), st.just([]),
    st.just({}), st.just([-1, 2]), st.just({"as_int": 3}), st.just({"as_tensor": {"name": "x"}}),
)  # fmt: skip


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data())
def test_a_damaged_program_is_refused_or_has_another_function(data, entries, tmp_path):
    def damage(found: Any) -> None:
        module = found.get("graph_module", found)  # a program, or facts on weights
        container, key = data.draw(st.sampled_from(list(parts_of(module))))
        if data.draw(st.booleans()):
            del container[key]
        else:
            container[key] = data.draw(VALUES)

    name = data.draw(st.sampled_from(["m/models/model.json", CONFIG]))
    path = write(tmp_path / "m.pt2", edited(entries, name, damage))
    with contextlib.suppress(UnreadableNetwork):
        json.loads(read(path).architecture)
