"""A network with a part that no layer of ours computes is refused by the name of the part."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from netmorph.errors import UnsupportedOperation
from netmorph.importing.files import read
from tests.netmorph.importing.models import export, program_of, save_program

pytestmark = [
    pytest.mark.filterwarnings("ignore::FutureWarning"),  # of torch's own pytree
    pytest.mark.filterwarnings("ignore:The tensor attributes self.part:UserWarning"),  # of an LSTM
]

SHAPE = (8, 5)


class Around(nn.Module):
    """Three classes of signals of shape (8, 5), behind a module that has (batch, 5, 8)."""

    def __init__(self, part: nn.Module, function: Callable[[nn.Module, Tensor], Tensor]) -> None:
        super().__init__()
        self.part, self.function = part, function
        self.classes = nn.Linear(function(part, torch.zeros(1, 5, 8)).shape[-1], 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.classes(self.function(self.part, x.transpose(1, 2)).mean(1))


def attention() -> nn.Module:
    attended = nn.MultiheadAttention(8, 2, batch_first=True)
    return Around(attended, lambda part, x: part(x, x, x, need_weights=False)[0])


def encoder() -> nn.Module:
    return Around(nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), lambda part, x: part(x))


def recurrent(kind: type[nn.Module]) -> Callable[[], nn.Module]:
    return lambda: Around(kind(8, 6, batch_first=True), lambda part, x: part(x)[0])


def normalised(norm: nn.Module) -> Callable[[], nn.Module]:
    return lambda: nn.Sequential(
        *(nn.Conv1d(8, 4, 3, padding=1), norm, nn.ReLU()),
        *(nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(4, 3)),
    )


class Tokens(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.vectors, self.classes = nn.Embedding(10, 8), nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.classes(self.vectors(x.long().clamp(0, 9)).mean(1))


NODE = r"at node '[^']+' \([^)]+\)"
PARTS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...], str]] = {
    "attention": (attention, SHAPE, f"self-attention {NODE}: .*nearest .* convolutions"),
    "lstm": (recurrent(nn.LSTM), SHAPE, f"a recurrent layer {NODE}: .*nearest .* convolutions"),
    "gru": (recurrent(nn.GRU), SHAPE, f"a recurrent layer {NODE}: .*nearest .* convolutions"),
    "tokens": (Tokens, (5,), f"an embedding of tokens {NODE}: .*data set of texts"),
    "layer": (
        normalised(nn.LayerNorm(5)),
        SHAPE,
        f"layer normalisation {NODE}: .*nearest .* BatchNorm",
    ),
    "group": (
        normalised(nn.GroupNorm(2, 4)),
        SHAPE,
        f"group or instance normalisation {NODE}: .*nearest .* BatchNorm",
    ),
}


@pytest.mark.parametrize("name", PARTS)
@pytest.mark.parametrize("version", [14, 17])  # without an operation for LayerNorm, and with one
def test_the_part_is_named_in_an_onnx_file(name, version, tmp_path):
    make, shape, words = PARTS[name]
    path = export(make().eval(), shape, tmp_path / "m.onnx", opset_version=version)
    with pytest.raises(UnsupportedOperation, match=words):
        read(path)


@pytest.mark.parametrize(
    "name",
    # decomposed, a recurrent layer is hundreds of operations; an LSTM and a GRU are named alike
    [pytest.param(name, marks=pytest.mark.slow) if name == "gru" else name for name in PARTS],
)
def test_the_part_is_named_in_a_program(name, tmp_path):
    """As exported, and with torch's operators decomposed."""
    make, shape, words = PARTS[name]
    program = program_of(make().eval(), shape)
    for one in (program, program.run_decompositions()):
        path = save_program(one, tmp_path / "m.pt2")
        with pytest.raises(UnsupportedOperation, match=words):
            read(path)


def test_all_parts_are_named(tmp_path):
    path = export(encoder().eval(), SHAPE, tmp_path / "m.onnx", opset_version=17)
    with pytest.raises(UnsupportedOperation) as refused:
        read(path)
    for name in ("self-attention", "layer normalisation"):
        assert f"it has {name} at node" in str(refused.value)


class Condition(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(8, 3), nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = x.mean(2)
        return torch.cond(x.sum() > 0, lambda x: self.first(x), lambda x: self.second(x), (x,))


def test_a_condition_on_values_is_named(tmp_path):
    path = save_program(program_of(Condition().eval(), SHAPE), tmp_path / "m.pt2")
    with pytest.raises(UnsupportedOperation, match=f"control flow that depends on .* {NODE}"):
        read(path)


@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")
def test_a_loop_is_named(tmp_path):
    class Loop(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            x = x.mean(2)
            while bool(x.sum() > 1):
                x = x / 2
            return x

    model = torch.jit.script(Loop().eval())
    path = export(model, SHAPE, tmp_path / "m.onnx")
    with pytest.raises(UnsupportedOperation, match=rf"control flow .* {NODE}"):
        read(path)
