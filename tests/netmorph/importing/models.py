"""Small networks in plain PyTorch, and their export to ONNX files and torch.export programs."""

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn


class Block(nn.Module):
    """A residual block of a ResNet."""

    def __init__(self, inputs: int, filters: int, stride: int) -> None:
        super().__init__()
        self.inner = nn.Sequential(
            nn.Conv2d(inputs, filters, 3, stride, 1, bias=False),
            *(nn.BatchNorm2d(filters), nn.ReLU(inplace=True)),
            *(nn.Conv2d(filters, filters, 3, 1, 1, bias=False), nn.BatchNorm2d(filters)),
        )
        self.skip: nn.Module = nn.Identity()
        if stride > 1 or inputs != filters:
            projection = nn.Conv2d(inputs, filters, 1, stride, bias=False)
            self.skip = nn.Sequential(projection, nn.BatchNorm2d(filters))

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.inner(x) + self.skip(x))


def resnet() -> nn.Module:
    return nn.Sequential(
        *(nn.Conv2d(3, 6, 3, padding=1, bias=False), nn.BatchNorm2d(6), nn.ReLU()),
        nn.MaxPool2d(3, 2, 1),
        *(Block(6, 6, 1), Block(6, 10, 2)),
        *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(10, 5)),
    )


def vgg() -> nn.Module:
    return nn.Sequential(
        *(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 6, 3, padding=1), nn.ReLU()),
        nn.MaxPool2d(2),
        *(nn.Conv2d(6, 6, 3, padding=1), nn.BatchNorm2d(6, eps=1e-3), nn.ReLU6()),
        nn.AvgPool2d(2),
        *(nn.Flatten(), nn.Linear(96, 12), nn.ReLU(), nn.Dropout(0.5), nn.Linear(12, 5)),
    )


class Inception(nn.Module):
    """Branches with kernels of several sizes, joined; a grouped and a dilated convolution."""

    def __init__(self) -> None:
        super().__init__()
        self.one = nn.Conv2d(3, 4, 1)
        self.wide = nn.Conv2d(3, 4, (1, 5), padding=(0, 2))
        self.tall = nn.Conv2d(4, 4, (5, 1), padding=(2, 0))
        self.dilated = nn.Conv2d(3, 2, 3, padding=2, dilation=2)
        self.pool = nn.AvgPool2d(3, 1, 1)
        self.grouped = nn.Conv2d(13, 26, 3, padding=1, stride=2, groups=13)
        self.mixed = nn.Conv2d(26, 6, 3, padding=1, groups=2)
        self.classes = nn.Linear(6, 5)

    def forward(self, x: Tensor) -> Tensor:
        branches = [self.one(x), self.tall(self.wide(x)), self.dilated(x), self.pool(x)]
        y = torch.relu(torch.cat(branches, 1))
        return self.classes(torch.relu(self.mixed(torch.relu(self.grouped(y)))).mean((2, 3)))


class LeNet(nn.Module):
    """Convolutions without padding; the flattening as in PyTorch's tutorials."""

    def __init__(self, side: int = 16, channels: int = 3) -> None:
        super().__init__()
        self.features = nn.Sequential(
            *(nn.Conv2d(channels, 4, 5), nn.ReLU(), nn.MaxPool2d(2)),
            *(nn.Conv2d(4, 6, 3), nn.ReLU(), nn.MaxPool2d(2)),
        )
        left = ((side - 4) // 2 - 2) // 2
        self.classes = nn.Sequential(nn.Linear(6 * left * left, 12), nn.ReLU(), nn.Linear(12, 5))

    def forward(self, x: Tensor) -> Tensor:
        y = self.features(x)
        return torch.log_softmax(self.classes(y.view(y.size(0), -1)), 1)


def two_valid() -> nn.Module:
    """The network of PyTorch's MNIST example, smaller, with a global pool inside a frame."""
    return nn.Sequential(
        *(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 6, 3), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 5)),
    )


def patches() -> nn.Module:
    """Even kernels: a patch embedding, and a strided convolution of size 4."""
    return nn.Sequential(
        *(nn.Conv2d(3, 6, 2, 2), nn.ReLU(), nn.Conv2d(6, 8, 4, 2, 1), nn.ReLU()),
        *(nn.Flatten(), nn.Linear(128, 5)),
    )


def mobilenet() -> nn.Module:
    def block(inputs: int, filters: int, stride: int) -> list[nn.Module]:
        depthwise = nn.Conv2d(inputs, inputs, 3, stride, 1, groups=inputs, bias=False)
        return [
            *(depthwise, nn.BatchNorm2d(inputs), nn.ReLU6()),
            *(nn.Conv2d(inputs, filters, 1, bias=False), nn.BatchNorm2d(filters), nn.ReLU6()),
        ]

    return nn.Sequential(
        *(nn.Conv2d(3, 4, 3, 2, 1, bias=False), nn.BatchNorm2d(4), nn.ReLU6()),
        *(*block(4, 6, 1), *block(6, 8, 2)),
        *(nn.AdaptiveAvgPool2d(1), nn.Conv2d(8, 5, 1), nn.Flatten()),
    )


class Excited(nn.Module):
    """A squeeze-and-excitation block (Hu et al. 2018)."""

    def __init__(self, channels: int, gate: nn.Module) -> None:
        super().__init__()
        self.factors = nn.Sequential(
            *(nn.AdaptiveAvgPool2d(1), nn.Conv2d(channels, 3, 1), nn.ReLU()),
            *(nn.Conv2d(3, channels, 1), gate),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x * self.factors(x)


def efficient() -> nn.Module:
    """As in EfficientNet and MobileNetV3: SiLU, hard swish, and both kinds of gates."""
    return nn.Sequential(
        *(nn.Conv2d(3, 6, 3, 2, 1, bias=False), nn.BatchNorm2d(6), nn.SiLU()),
        *(nn.Conv2d(6, 6, 3, padding=1, groups=6), nn.SiLU(), Excited(6, nn.Sigmoid())),
        *(nn.Conv2d(6, 8, 3, padding=1), nn.Hardswish(), Excited(8, nn.Hardsigmoid())),
        *(nn.MaxPool2d(2), nn.Flatten(), nn.Linear(128, 6), nn.Hardswish(), nn.Linear(6, 5)),
    )


class Gated(nn.Module):
    """Products of images: a gated convolution (Dauphin et al. 2017), a square, one of vectors."""

    def __init__(self) -> None:
        super().__init__()
        self.values, self.gates = nn.Conv2d(3, 5, 3), nn.Conv2d(3, 5, 3)  # not padded
        self.left, self.right = (nn.Conv2d(5, 4, 3) for _ in "12")
        self.first, self.second = (nn.Linear(4 * 6 * 6, 7) for _ in "12")
        self.head = nn.Linear(7, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.sigmoid(self.gates(x)) * self.values(x)
        x = self.left(x) * torch.tanh(self.right(x))
        x = x + x * x
        x = torch.flatten(nn.functional.max_pool2d(x, 2), 1)
        return self.head(self.first(x) * torch.sigmoid(self.second(x)))


class Activations(nn.Module):
    """The other activations, and a gate of a vector."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(7, 9), nn.Linear(9, 9)
        self.gate, self.classes = nn.Linear(9, 9), nn.Linear(9, 5)

    def forward(self, x: Tensor) -> Tensor:
        y = torch.tanh(self.second(nn.functional.gelu(self.first(x))))
        return self.classes(nn.functional.gelu(y * torch.sigmoid(self.gate(y))))


def signals() -> nn.Module:
    return nn.Sequential(
        *(nn.Conv1d(3, 6, 7, 2, 3), nn.BatchNorm1d(6), nn.ReLU(), nn.MaxPool1d(3, 2, 1)),
        *(nn.Conv1d(6, 6, 3, padding=1, groups=6), nn.Conv1d(6, 8, 1), nn.ReLU()),
        *(nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(8, 5)),
    )


def valid_signals() -> nn.Module:
    return nn.Sequential(
        *(nn.Conv1d(3, 6, 5), nn.ReLU(), nn.MaxPool1d(2), nn.Conv1d(6, 4, 3), nn.ReLU()),
        *(nn.Flatten(), nn.Linear(4 * 17, 5)),
    )


def vectors() -> nn.Module:
    return nn.Sequential(
        *(nn.Linear(7, 9, bias=False), nn.BatchNorm1d(9), nn.ReLU()),
        *(nn.Linear(9, 5), nn.Softmax(1)),
    )


class Prepared(nn.Module):
    """A network that prepares its inputs itself."""

    def __init__(self) -> None:
        super().__init__()
        self.mean = nn.Parameter(torch.tensor([100.0, 110.0, 120.0]).view(1, 3, 1, 1))
        self.net = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU())
        self.classes = nn.Linear(4, 5)

    def forward(self, x: Tensor) -> Tensor:
        y = self.net((x / 255 - self.mean / 255) * 2.0)
        return self.classes(y.mean((2, 3)))


class Fire(nn.Module):
    """A module of SqueezeNet (Iandola et al. 2016): few channels, then two kernel sizes, joined."""

    def __init__(self, inputs: int, few: int, each: int) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(inputs, few, 1)
        self.small, self.large = nn.Conv2d(few, each, 1), nn.Conv2d(few, each, 3, padding=1)
        for one in (self.squeeze, self.small, self.large):
            nn.init.kaiming_uniform_(one.weight)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.squeeze(x))
        return torch.cat([torch.relu(self.small(x)), torch.relu(self.large(x))], 1)


def squeezenet() -> nn.Module:
    """As torchvision's, smaller; its pools meet even and odd sides."""
    return nn.Sequential(
        *(nn.Conv2d(3, 6, 3, 2), nn.ReLU(), nn.MaxPool2d(3, 2, ceil_mode=True), Fire(6, 3, 4)),
        *(nn.MaxPool2d(3, 2, ceil_mode=True), Fire(8, 3, 5)),
        *(nn.MaxPool2d(3, 2, ceil_mode=True), Fire(10, 4, 6)),
        *(nn.Dropout(0.5), nn.Conv2d(12, 5, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten()),
    )


class GoogLeNetBlock(nn.Module):
    """The inception module of GoogLeNet (Szegedy et al. 2015), with batch norms."""

    def __init__(self, inputs: int, each: int) -> None:
        super().__init__()
        self.branches = nn.ModuleList(
            [
                self.conv(inputs, each, 1),
                nn.Sequential(self.conv(inputs, 3, 1), self.conv(3, each, 3)),
                nn.Sequential(self.conv(inputs, 2, 1), self.conv(2, each, 5)),
                nn.Sequential(nn.MaxPool2d(3, 1, 1, ceil_mode=True), self.conv(inputs, each, 1)),
            ]
        )

    @staticmethod
    def conv(inputs: int, filters: int, size: int) -> nn.Module:
        conv = nn.Conv2d(inputs, filters, size, padding=size // 2, bias=False)
        return nn.Sequential(conv, nn.BatchNorm2d(filters, eps=0.001), nn.ReLU())

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([branch(x) for branch in self.branches], 1)


def googlenet() -> nn.Module:
    """As torchvision's, smaller; its pools meet even and odd sides."""
    return nn.Sequential(
        *(nn.Conv2d(3, 6, 7, 2, 3, bias=False), nn.BatchNorm2d(6, eps=0.001), nn.ReLU()),
        *(nn.MaxPool2d(3, 2, ceil_mode=True), GoogLeNetBlock(6, 3)),
        *(nn.MaxPool2d(3, 2, ceil_mode=True), GoogLeNetBlock(12, 4)),
        *(nn.MaxPool2d(2, 2, ceil_mode=True), GoogLeNetBlock(16, 4)),
        *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.2), nn.Linear(16, 5)),
    )


def incomplete_means() -> nn.Module:
    """Average pools with incomplete windows: without padding, and with padding counted or not."""
    return nn.Sequential(
        *(nn.AvgPool2d(3, 2, ceil_mode=True), nn.Conv2d(3, 4, 3, padding=1), nn.ReLU()),
        nn.AvgPool2d(3, 2, 1, ceil_mode=True, count_include_pad=False),
        nn.AvgPool2d(4, 2, 1, ceil_mode=True),
        *(nn.Flatten(), nn.Linear(4 * 3 * 3, 5)),
    )


def incomplete_signals() -> nn.Module:
    return nn.Sequential(
        *(nn.Conv1d(3, 6, 5, padding=2), nn.ReLU(), nn.MaxPool1d(3, 2, ceil_mode=True)),
        *(nn.AvgPool1d(4, 3, ceil_mode=True), nn.Flatten(), nn.Linear(6 * 7, 5)),
    )


class Same(nn.Module):
    """The padding of TensorFlow around a layer: the sides are divided by its stride, rounded up."""

    def __init__(self, layer: nn.Module, size: int, stride: int, filling: float = 0.0) -> None:
        super().__init__()
        self.layer, self.size, self.stride, self.filling = layer, size, stride, filling

    def forward(self, x: Tensor) -> Tensor:
        pads: list[int] = []
        for side in map(int, reversed(x.shape[2:])):
            total = max(0, (-(-side // self.stride) - 1) * self.stride + self.size - side)
            pads += [total // 2, total - total // 2]
        return self.layer(nn.functional.pad(x, pads, value=self.filling))


def same_conv(inputs: int, filters: int, size: int, stride: int, groups: int = 1) -> nn.Module:
    return Same(nn.Conv2d(inputs, filters, size, stride, groups=groups), size, stride)


def tensorflow_mobilenet() -> nn.Module:
    """With strides that pad even sides at the end alone, and gates as in EfficientNet."""
    return nn.Sequential(
        *(same_conv(3, 4, 3, 2), nn.BatchNorm2d(4), nn.ReLU6()),
        *(same_conv(4, 4, 3, 2, groups=4), nn.SiLU(), Excited(4, nn.Sigmoid())),
        *(nn.Conv2d(4, 6, 1), nn.ReLU6(), same_conv(6, 6, 5, 2, groups=6), nn.ReLU6()),
        *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 5)),
    )


def keras_resnet() -> nn.Module:
    """Zeros before a convolution and a max pool without padding, as in the ResNets of Keras."""
    return nn.Sequential(
        *(nn.ZeroPad2d(3), nn.Conv2d(3, 6, 7, 2), nn.BatchNorm2d(6), nn.ReLU()),
        *(nn.ZeroPad2d(1), nn.MaxPool2d(3, 2), Block(6, 6, 1)),
        *(nn.Flatten(), nn.Linear(96, 5)),
    )


def ends() -> nn.Module:
    """Pools that are padded at one end of each axis or of one axis, of values below zero, too."""
    return nn.Sequential(
        *(nn.Conv2d(3, 4, 3), Same(nn.MaxPool2d(3, 2), 3, 2, -torch.inf)),
        *(nn.Conv2d(4, 4, 3, padding=1), Same(nn.MaxPool2d(2, 1), 2, 1, -torch.inf)),
        *(nn.ZeroPad2d((0, 1, 2, 0)), nn.AvgPool2d(3, 2, count_include_pad=False)),
        *(nn.ZeroPad2d((1, 0, 0, 0)), nn.Conv2d(4, 6, 2), nn.Sigmoid()),
        *(nn.ZeroPad2d((0, 1, 0, 1)), nn.MaxPool2d(2, 2), nn.Flatten(), nn.Linear(24, 5)),
    )


def ends_of_signals() -> nn.Module:
    """A causal convolution (van den Oord et al. 2016), and pools that are padded at one end."""
    return nn.Sequential(
        *(nn.ConstantPad1d((4, 0), 0.0), nn.Conv1d(3, 6, 3, dilation=2), nn.ReLU()),
        *(nn.ConstantPad1d((0, 1), 0.0), nn.MaxPool1d(2, 1)),
        *(nn.ConstantPad1d((2, 0), 0.0), nn.AvgPool1d(3, 2), nn.Flatten(), nn.Linear(126, 5)),
    )


def valid_gates() -> nn.Module:
    """Convolutions without padding before gates, and incomplete windows behind them."""
    return nn.Sequential(
        *(nn.Conv2d(3, 6, 3), nn.SiLU(), Excited(6, nn.Sigmoid())),
        *(nn.Conv2d(6, 6, 3, 2, groups=6), nn.ReLU(), nn.MaxPool2d(3, 2, ceil_mode=True)),
        *(nn.Flatten(), nn.Linear(54, 5)),
    )


def lines_of_text() -> nn.Module:
    """Pools and strides of their own along each axis, as in a CRNN (Shi et al. 2015)."""
    return nn.Sequential(
        *(nn.Conv2d(3, 4, 3, (2, 1), 1), nn.ReLU(), nn.MaxPool2d((2, 1))),
        *(nn.Conv2d(4, 6, 3, padding=1), nn.ReLU(), nn.MaxPool2d((2, 2), (2, 1), (0, 1))),
        *(nn.AvgPool2d((1, 3), 1, (0, 1)), nn.AvgPool2d((2, 3), (1, 2), ceil_mode=True)),
        *(nn.AdaptiveAvgPool2d((1, 4)), nn.Flatten(), nn.Linear(24, 5)),
    )


def dilated_pools() -> nn.Module:
    """Max pools that take every n-th position, padded, incomplete and with n for each axis."""
    return nn.Sequential(
        *(nn.Conv2d(3, 4, 3, padding=1), nn.MaxPool2d(3, 1, 1, dilation=2)),
        *(nn.Conv2d(4, 4, 3), nn.MaxPool2d((2, 3), (2, 1), dilation=(3, 2), ceil_mode=True)),
        *(nn.Flatten(), nn.Linear(4 * 5 * 8, 5)),
    )


def dilated_signals() -> nn.Module:
    return nn.Sequential(
        *(nn.Conv1d(3, 6, 3), nn.MaxPool1d(3, 2, 1, dilation=3), nn.ReLU()),
        *(nn.MaxPool1d(2, 3, dilation=4, ceil_mode=True), nn.Flatten(), nn.Linear(6 * 6, 5)),
    )


class Attended(nn.Module):
    """Factors of channels in the ways that people write them, also from the largest values."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 6, 3, padding=1)
        self.few, self.many = nn.Linear(6, 3), nn.Linear(3, 6)
        self.whole = nn.Sequential(nn.AvgPool2d(16), nn.Conv2d(6, 6, 1), nn.Sigmoid())
        self.shared = nn.Sequential(nn.Conv2d(6, 2, 1), nn.ReLU(), nn.Conv2d(2, 6, 1))
        self.classes = nn.Linear(12, 5)

    def factors(self, x: Tensor) -> Tensor:
        return torch.sigmoid(self.many(torch.relu(self.few(x.mean((2, 3))))))

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x)
        n, channels = x.shape[:2]
        x = x * self.factors(x).view(n, channels, 1, 1).expand_as(x)
        x = x * self.factors(x).view(n, channels, 1, 1).expand(*x.shape)
        x = x * self.factors(x)[:, :, None, None] + x * self.factors(x).unsqueeze(-1).unsqueeze(-1)
        x = x * self.whole(x)
        mean = nn.functional.adaptive_avg_pool2d(x, 1)
        largest = nn.functional.adaptive_max_pool2d(x, 1)
        x = x * torch.sigmoid(self.shared(mean) + self.shared(largest))  # as in CBAM
        return self.classes(torch.cat([x.mean((2, 3)), x.amax((2, 3))], 1))


class ChannelsLast(nn.Module):
    """As in TensorFlow: channels last in the input, in dense layers and where it flattens."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 4, 3), nn.Conv2d(6, 6, 3, padding=1)
        self.mixed, self.classes = nn.Linear(4, 6), nn.Linear(12 * 5 * 4, 5)
        self.scale = nn.Parameter(torch.linspace(0.5, 2.0, 6))

    def forward(self, x: Tensor) -> Tensor:
        y = self.first((x * 2 - 1).permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        y = torch.relu(self.mixed(y) * self.scale + self.scale)
        z = self.second(y.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        y = torch.cat([y + z, y * torch.sigmoid(z.mean((1, 2), keepdim=True))], -1)
        y = nn.functional.max_pool2d(y.permute(0, 3, 1, 2), 2).permute(0, 2, 3, 1)
        return self.classes(torch.relu(y.reshape(y.shape[0], -1)))


def channels_last_signals() -> nn.Module:
    class Signals(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.mixed = nn.Conv1d(3, 4, 3), nn.Linear(4, 6)
            self.classes = nn.Linear(6 * 18, 5)

        def forward(self, x: Tensor) -> Tensor:
            y = self.mixed(self.first(x.transpose(1, 2)).transpose(1, 2))
            return self.classes(torch.flatten(nn.functional.gelu(y), 1))

    return Signals()


#: Models whose input has its channels last, by the shape of one example.
LAST = {
    "image": (ChannelsLast, (12, 10, 3)),
    "signal": (channels_last_signals, (20, 3)),
}

IMAGE, SIGNAL, VECTOR = (3, 16, 16), (3, 42), (7,)
MODELS = {
    "resnet": (resnet, IMAGE),
    "vgg": (vgg, IMAGE),
    "inception": (Inception, IMAGE),
    "lenet": (LeNet, IMAGE),
    "two valid": (two_valid, IMAGE),
    "patches": (patches, IMAGE),
    "mobilenet": (mobilenet, IMAGE),
    "signals": (signals, SIGNAL),
    "valid signals": (valid_signals, SIGNAL),
    "vectors": (vectors, VECTOR),
    "efficient": (efficient, IMAGE),
    "gated": (Gated, IMAGE),
    "activations": (Activations, VECTOR),
    "prepared": (Prepared, IMAGE),
    "squeezenet": (squeezenet, (3, 36, 31)),
    "googlenet": (googlenet, (3, 32, 28)),
    "incomplete means": (incomplete_means, IMAGE),
    "incomplete signals": (incomplete_signals, SIGNAL),
    "tensorflow mobilenet": (tensorflow_mobilenet, (3, 20, 19)),
    "keras resnet": (keras_resnet, IMAGE),
    "ends": (ends, IMAGE),
    "ends of signals": (ends_of_signals, SIGNAL),
    "valid gates": (valid_gates, IMAGE),
    "lines of text": (lines_of_text, IMAGE),
    "attended": (Attended, IMAGE),
    "dilated pools": (dilated_pools, IMAGE),
    "dilated signals": (dilated_signals, SIGNAL),
}


def trained(make: Callable[[], nn.Module], seed: int = 0) -> nn.Module:
    """The model in evaluation mode, with statistics and biases as after a training."""
    with torch.random.fork_rng(devices=[]):
        torch.random.manual_seed(seed)
        model = make()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, tensor in (*model.named_parameters(), *model.named_buffers()):
            if name.endswith("running_var"):
                tensor.copy_(0.3 + torch.rand(tensor.shape, generator=generator))
            elif name.endswith(("bias", "running_mean")):
                tensor.copy_(torch.randn(tensor.shape, generator=generator) * 0.3)
    return model.eval()


def export(model: nn.Module, shape: tuple[int, ...], path: Path, **options: Any) -> Path:
    """Write the model to an ONNX file."""
    options = {"dynamo": False, "dynamic_axes": {"x": {0: "n"}}, "input_names": ["x"]} | options
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the older exporter is deprecated, but fast
        torch.onnx.export(model, (torch.randn(2, *shape),), path, verbose=False, **options)
    return path


def program_of(
    model: nn.Module, shape: tuple[int, ...], *, batch: int | None = None
) -> torch.export.ExportedProgram:
    """The model's program, for any number of examples where no `batch` is given."""
    dynamic = None if batch else ({0: torch.export.Dim("n")},)
    return torch.export.export(model, (torch.randn(batch or 2, *shape),), dynamic_shapes=dynamic)


def save_program(program: torch.export.ExportedProgram, path: Path) -> Path:
    torch.export.save(program, path)
    return path
